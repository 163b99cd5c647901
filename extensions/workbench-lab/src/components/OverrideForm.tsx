import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { DeploymentId, ILimitTable, IOverrideWish } from '../tokens';
import { Choice, TextInput } from './Field';

export interface IOverrideFormProps {
  readonly table: ILimitTable;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever asks says who that is. */
  readonly askName: boolean;
  readonly onAsk: (wish: IOverrideWish) => void;
  readonly onCancel: () => void;
  readonly trans: TranslationBundle;
}

/** Ask that one order may pass a soft control. */
export function OverrideForm(props: IOverrideFormProps): React.JSX.Element {
  const { table, user, askName, onAsk, onCancel, trans } = props;
  const first = table.deployments[0];
  const [deploymentId, setDeployment] = React.useState<string>(first?.id ?? '');
  const [control, setControl] = React.useState(table.overridable[0] ?? '');
  const [instrument, setInstrument] = React.useState('');
  const [side, setSide] = React.useState('buy');
  const [units, setUnits] = React.useState('');
  const [minutes, setMinutes] = React.useState(String(Math.min(5, table.overrideMinutes)));
  const [reason, setReason] = React.useState('');
  const [person, setPerson] = React.useState('');
  const form = React.useRef<HTMLFormElement>(null);
  React.useEffect(() => {
    form.current?.querySelector<HTMLElement>('select')?.focus();
  }, []);
  const known = table.deployments.find(item => item.id === deploymentId)?.instruments ?? [];
  const chosen = known.includes(instrument) ? instrument : (known[0] ?? '');
  return (
    <form
      ref={form}
      className="wb-Card wb-Form"
      aria-label={trans.__('Ask for an override')}
      onSubmit={event => {
        event.preventDefault();
        const by = person.trim();
        onAsk({
          deploymentId: deploymentId as DeploymentId,
          control,
          instrument: chosen,
          units: Number(units.replace(/[,\s]/g, '')) * (side === 'sell' ? -1 : 1),
          minutes: Number(minutes),
          reason: reason.trim(),
          ...(askName && by !== '' && by !== user ? { person: by } : {})
        });
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          onCancel();
        }
      }}
    >
      <Choice
        label={trans.__('Deployment')}
        value={deploymentId}
        options={table.deployments.map(item => [item.id, item.id] as const)}
        onChange={setDeployment}
      />
      <Choice
        label={trans.__('Control to pass')}
        value={control}
        options={table.overridable.map(id => {
          const title = table.controls.find(item => item.id === id)?.title ?? '';
          return [id, `${id} ${title}`] as const;
        })}
        onChange={setControl}
      />
      <Choice
        label={trans.__('Instrument')}
        value={chosen}
        options={known.map(name => [name, name] as const)}
        onChange={setInstrument}
      />
      <Choice
        label={trans.__('Side')}
        value={side}
        options={[
          ['buy', trans.__('Buy')],
          ['sell', trans.__('Sell')]
        ]}
        onChange={setSide}
      />
      <TextInput
        label={trans.__('Most units')}
        pattern="[1-9][\d,]{0,15}"
        value={units}
        onChange={setUnits}
      />
      <TextInput
        label={trans.__('Minutes')}
        hint={trans.__('1 to %1, from now', String(table.overrideMinutes))}
        pattern="[1-9]|1[0-5]"
        value={minutes}
        onChange={setMinutes}
      />
      <TextInput
        label={trans.__('Reason')}
        hint={trans.__('It is kept with the override')}
        value={reason}
        onChange={setReason}
      />
      {askName && (
        <TextInput
          label={trans.__('Who asks for it')}
          hint={trans.__('%1 when left out', user)}
          value={person}
          optional
          onChange={setPerson}
        />
      )}
      <div className="wb-Buttons">
        <button type="submit" className="wb-Button wb-mod-primary">
          {trans.__('Ask')}
        </button>
        <button type="button" className="wb-Button" onClick={onCancel}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}
