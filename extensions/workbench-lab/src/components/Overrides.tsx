import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatTime } from '../format';
import type {
  ILimitTable,
  IOverride,
  IOverrideDecision,
  IOverrideWish,
  OverrideState
} from '../tokens';
import { Badge, Tone } from './Badge';
import { DecisionButtons, DecisionFields, useDecider } from './Decision';
import { OverrideForm } from './OverrideForm';

const TONES: Readonly<Record<OverrideState, Tone>> = {
  waits: 'warn',
  approved: 'good',
  withdrawn: 'idle',
  used: 'idle',
  expired: 'idle'
};
const LIVE: readonly OverrideState[] = ['waits', 'approved'];
const MOST_OVER = 5;

export interface IOverridesProps {
  readonly table: ILimitTable;
  readonly mayOverride: boolean;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever asks or decides says who that is. */
  readonly askName: boolean;
  readonly onAskOverride: (wish: IOverrideWish) => void;
  readonly onDecideOverride: (decision: IOverrideDecision) => void;
  readonly trans: TranslationBundle;
}

/** One order past one soft control: what was asked for and how it stands, a signature, a form to ask. */
export function Overrides(props: IOverridesProps): React.JSX.Element {
  const { table, mayOverride, user, askName, onAskOverride, onDecideOverride, trans } = props;
  const decider = useDecider(user, askName);
  const [asking, setAsking] = React.useState(false);
  const count = table.overrides.length;
  React.useEffect(() => {
    setAsking(false); // what was asked for is in the list now
  }, [count]);
  const newest = [...table.overrides].reverse();
  const live = newest.filter(item => LIVE.includes(item.state));
  const over = newest.filter(item => !LIVE.includes(item.state)).slice(0, MOST_OVER);
  const off = table.overrideMinutes === 0;
  return (
    <section className="wb-Card" aria-label={trans.__('Overrides')}>
      <h3>{trans.__('Overrides')}</h3>
      <p className="wb-quiet">
        {off
          ? trans.__(
              'Off: raising max_override_minutes of firm lets people ask that one order may pass %1.',
              table.overridable.join(', ')
            )
          : trans.__(
              'One order past %1, when a second person approves; up to %2 minutes.',
              table.overridable.join(', '),
              String(table.overrideMinutes)
            )}
      </p>
      {[...live, ...over].map(item => (
        <div key={item.number} className="wb-Waiting">
          <Line item={item} trans={trans} />
          {LIVE.includes(item.state) && (
            <DecisionButtons
              what={trans.__('override %1', String(item.number))}
              by={item.by}
              decider={decider}
              mayDecide={mayOverride}
              waits={item.state === 'waits'}
              onDecide={action => {
                onDecideOverride({
                  action,
                  number: item.number,
                  reason: decider.reason,
                  ...decider.told
                });
                decider.setReason('');
              }}
              trans={trans}
            />
          )}
        </div>
      ))}
      {count === 0 && !off && <p className="wb-quiet">{trans.__('Nobody has asked for one.')}</p>}
      {live.length > 0 && mayOverride && (
        <DecisionFields decider={decider} user={user} askName={askName} trans={trans} />
      )}
      {asking ? (
        <OverrideForm
          table={table}
          user={user}
          askName={askName}
          onAsk={onAskOverride}
          onCancel={() => {
            setAsking(false);
          }}
          trans={trans}
        />
      ) : (
        !off &&
        mayOverride && (
          <button
            type="button"
            className="wb-Button"
            disabled={table.deployments.length === 0}
            onClick={() => {
              setAsking(true);
            }}
          >
            {trans.__('Ask for an override…')}
          </button>
        )
      )}
    </section>
  );
}

interface ILineProps {
  readonly item: IOverride;
  readonly trans: TranslationBundle;
}

function Line({ item, trans }: ILineProps): React.JSX.Element {
  const words: Readonly<Record<OverrideState, string>> = {
    waits: trans.__('waits'),
    approved: trans.__('approved'),
    withdrawn: trans.__('withdrawn'),
    used: trans.__('used'),
    expired: trans.__('expired')
  };
  const units = Math.abs(item.units).toLocaleString('en-US');
  const order = item.units > 0 ? trans.__('buy up to %1', units) : trans.__('sell up to %1', units);
  return (
    <>
      <p>
        <Badge tone={TONES[item.state]}>{words[item.state]}</Badge> <b>{item.control}</b>{' '}
        {trans.__('%1 of %2 by %3', order, item.instrument, item.deploymentId)}
      </p>
      <p className="wb-quiet">
        {trans.__('Override %1, asked by %2: %3', String(item.number), item.by, item.reason)}
        {item.approvedBy !== '' && ` · ${trans.__('approved by %1', item.approvedBy)}`}
        {item.orderId !== '' && ` · ${trans.__('used by order %1', item.orderId)}`}
        {LIVE.includes(item.state) && ` · ${trans.__('until %1', formatTime(item.until))}`}
      </p>
    </>
  );
}
