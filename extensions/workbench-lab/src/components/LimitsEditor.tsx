import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type {
  DeploymentId,
  IControl,
  ILimitChange,
  ILimitDecision,
  ILimitTable,
  IOverrideDecision,
  IOverrideWish
} from '../tokens';
import { Badge } from './Badge';
import { Choice, TextInput } from './Field';
import { Overrides } from './Overrides';
import { SignedForm } from './SignedForm';
import { WaitingChanges } from './WaitingChanges';

export interface ILimitsEditorProps {
  /** Null while it loads. */
  readonly table: ILimitTable | null;
  readonly mayChange: boolean;
  readonly mayResume: boolean;
  readonly mayOverride: boolean;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever decides says who that is. */
  readonly askName: boolean;
  /** What the last change came to, or why it came to nothing. */
  readonly said: string;
  readonly problem: string;
  readonly onSet: (change: ILimitChange) => void;
  readonly onDecide: (decision: ILimitDecision) => void;
  readonly onAskOverride: (wish: IOverrideWish) => void;
  readonly onDecideOverride: (decision: IOverrideDecision) => void;
  readonly onResume: (id: DeploymentId) => void;
  readonly onRefresh: () => void;
  readonly trans: TranslationBundle;
}

/** What is being changed: a limit in a scope. */
interface IEditing {
  readonly name: string;
  readonly scope: string;
  readonly text: string;
}

/** The table of limits: what is in force in each scope, what waits, and a form to change one. */
export function LimitsEditor(props: ILimitsEditorProps): React.JSX.Element {
  const { table, problem, said, onRefresh, trans } = props;
  const [editing, setEditing] = React.useState<IEditing | null>(null);
  const version = table?.version ?? 0;
  React.useEffect(() => {
    setEditing(null); // what was asked for is in the table now
  }, [version]);
  return (
    <div className="wb-LimitsEditor">
      <div className="wb-Toolbar" role="toolbar" aria-label={trans.__('Limits')}>
        <button type="button" className="wb-Button" onClick={onRefresh}>
          {trans.__('Refresh')}
        </button>
      </div>
      <p role="status" className="wb-quiet">
        {said}
      </p>
      <p role="alert" className="wb-problem">
        {problem}
      </p>
      {table === null ? (
        <p className="wb-quiet">{problem === '' ? trans.__('Loading…') : ''}</p>
      ) : (
        <>
          <p className="wb-quiet">
            {table.secondPerson
              ? trans.__('Lowering a limit holds at once; raising one waits for a second person.')
              : trans.__('Lowering and raising hold at once: nobody else is known here.')}{' '}
            {trans.__('A limit that is missing passes nothing.')}
          </p>
          <Halted {...props} table={table} />
          <WaitingChanges {...props} table={table} />
          <Overrides {...props} table={table} />
          {editing !== null && (
            <Form
              {...props}
              key={`${editing.scope} ${editing.name}`}
              table={table}
              editing={editing}
              onCancel={() => {
                setEditing(null);
              }}
            />
          )}
          {scopesOf(table).map(scope => (
            <Scope key={scope} {...props} table={table} scope={scope} onEdit={setEditing} />
          ))}
          {props.mayChange && editing === null && (
            <button
              type="button"
              className="wb-Button"
              onClick={() => {
                setEditing({ name: '', scope: '', text: '' });
              }}
            >
              {trans.__('Set a limit in another scope…')}
            </button>
          )}
          <Controls controls={table.controls} trans={trans} />
        </>
      )}
    </div>
  );
}

interface ITableProps extends ILimitsEditorProps {
  readonly table: ILimitTable;
}

function Halted({ table, mayResume, onResume, trans }: ITableProps): React.JSX.Element {
  const halted = table.deployments.filter(item => item.halted !== '');
  return (
    <>
      {halted.map(item => (
        <p key={item.id} className="wb-Notice">
          <Badge tone="bad">{trans.__('Halted')}</Badge> {item.id}: {item.halted}{' '}
          <button
            type="button"
            className="wb-Button"
            disabled={!mayResume}
            aria-label={trans.__('Let %1 trade on', item.id)}
            onClick={() => {
              onResume(item.id);
            }}
          >
            {trans.__('Let it trade on')}
          </button>
        </p>
      ))}
    </>
  );
}

interface IScopeProps extends ITableProps {
  readonly scope: string;
  readonly onEdit: (editing: IEditing) => void;
}

function Scope({ table, scope, mayChange, onEdit, trans }: IScopeProps): React.JSX.Element {
  const entries = table.inForce.filter(item => item.scope === scope);
  const words = new Map(table.kinds.map(kind => [kind.name, kind]));
  return (
    <section aria-label={scope}>
      <h3>{scope}</h3>
      <div className="wb-Scroll">
        <table className="wb-LimitTable">
          <caption className="wb-hidden">{trans.__('Limits of %1', scope)}</caption>
          <thead>
            <tr>
              <th scope="col">{trans.__('Control')}</th>
              <th scope="col">{trans.__('Limit')}</th>
              <th scope="col">{trans.__('Value')}</th>
              <th scope="col">{trans.__('Unit')}</th>
              <th scope="col">{trans.__('Set by')}</th>
              <th scope="col">{trans.__('Change')}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map(entry => (
              <tr key={entry.name}>
                <td>{entry.control}</td>
                <th scope="row">{entry.name}</th>
                <td className="wb-number">
                  {entry.readable ? (
                    entry.text
                  ) : (
                    <Badge tone="bad">{trans.__('not readable: passes nothing')}</Badge>
                  )}
                </td>
                <td className="wb-quiet">
                  {unitOf(words.get(entry.name)?.unit ?? '', entry.text)}
                </td>
                <td className="wb-quiet" title={entry.reason}>
                  {entry.approvedBy === ''
                    ? entry.by
                    : trans.__('%1, approved by %2', entry.by, entry.approvedBy)}
                </td>
                <td>
                  <button
                    type="button"
                    className="wb-Button"
                    disabled={!mayChange}
                    aria-label={trans.__('Change %1 of %2', entry.name, scope)}
                    onClick={() => {
                      onEdit({ name: entry.name, scope, text: entry.text });
                    }}
                  >
                    {trans.__('Change…')}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface IFormProps extends ITableProps {
  readonly editing: IEditing;
  readonly onCancel: () => void;
}

function Form(props: IFormProps): React.JSX.Element {
  const { table, editing, user, askName, onSet, onCancel, trans } = props;
  const [name, setName] = React.useState(editing.name || (table.kinds[0]?.name ?? ''));
  const [scope, setScope] = React.useState(editing.scope);
  const [typed, setTyped] = React.useState(editing.text);
  const kind = table.kinds.find(item => item.name === name);
  return (
    <SignedForm
      label={trans.__('Change a limit')}
      reasonHint={trans.__('It is kept with the limit')}
      send={trans.__('Set')}
      user={user}
      askName={askName}
      onSend={signed => {
        onSet({ name, scope: scope.trim(), text: typed, ...signed });
      }}
      onCancel={onCancel}
      trans={trans}
    >
      {editing.name === '' ? (
        <>
          <Choice
            label={trans.__('Limit')}
            value={name}
            options={table.kinds.map(item => [item.name, `${item.control} ${item.name}`] as const)}
            onChange={setName}
          />
          <TextInput
            label={trans.__('Scope')}
            hint={trans.__('firm, account:ID, deployment:ID or instrument:EUR_USD')}
            pattern="firm|(account|deployment|instrument):.+"
            value={scope}
            onChange={setScope}
          />
        </>
      ) : (
        <h3>
          {kind?.control} {name} · {scope}
        </h3>
      )}
      <TextInput
        label={trans.__('Value')}
        hint={trans.__('%1; shipped as %2', unitOf(kind?.unit ?? '', typed), kind?.byDefault ?? '')}
        value={typed}
        onChange={setTyped}
      />
    </SignedForm>
  );
}

function Controls({
  controls,
  trans
}: {
  readonly controls: readonly IControl[];
  readonly trans: TranslationBundle;
}): React.JSX.Element {
  return (
    <details className="wb-Card">
      <summary>{trans.__('What each control does')}</summary>
      <dl className="wb-Facts">
        {controls.map(item => (
          <React.Fragment key={item.id}>
            <dt>
              {item.id} {item.title}
            </dt>
            <dd>{item.effect}</dd>
          </React.Fragment>
        ))}
      </dl>
    </details>
  );
}

/** The scopes that have a limit, the firm first. */
function scopesOf(table: ILimitTable): readonly string[] {
  return [...new Set(['firm', ...table.inForce.map(item => item.scope)])];
}

/** A limit in percent is shown and typed in percent, whatever whole unit it is kept in. */
function unitOf(unit: string, text: string): string {
  return text.endsWith('%') ? unit.replace('millionths', '%') : unit.replace('micro-units of ', '');
}
