import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatTime } from '../format';
import type { ILimitDecision, ILimitTable } from '../tokens';
import { DecisionButtons, DecisionFields, useDecider, WaitsBadge } from './Decision';

export interface IWaitingChangesProps {
  readonly table: ILimitTable;
  readonly mayChange: boolean;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever decides says who that is. */
  readonly askName: boolean;
  readonly onDecide: (decision: ILimitDecision) => void;
  readonly trans: TranslationBundle;
}

/** The changes of limits that wait for a second person. */
export function WaitingChanges(props: IWaitingChangesProps): React.JSX.Element {
  const { table, mayChange, user, askName, onDecide, trans } = props;
  const decider = useDecider(user, askName);
  if (table.waiting.length === 0) {
    return <></>;
  }
  return (
    <section className="wb-Card" aria-label={trans.__('Changes that wait for a second person')}>
      <h3>{trans.__('Waits for a second person')}</h3>
      {table.waiting.map(entry => {
        const now = table.inForce.find(
          item => item.name === entry.name && item.scope === entry.scope
        );
        return (
          <div key={entry.version} className="wb-Waiting">
            <p>
              <WaitsBadge trans={trans} /> <b>{entry.control}</b> {entry.name} · {entry.scope}:{' '}
              {now?.text ?? trans.__('nothing')} → <b>{entry.text}</b>
            </p>
            <p className="wb-quiet">
              {trans.__('%1, %2: %3', entry.by, formatTime(entry.at), entry.reason)}
            </p>
            <DecisionButtons
              what={trans.__('change %1', String(entry.version))}
              by={entry.by}
              decider={decider}
              mayDecide={mayChange}
              waits
              onDecide={action => {
                onDecide({
                  action,
                  version: entry.version,
                  reason: decider.reason,
                  ...decider.told
                });
                decider.setReason('');
              }}
              trans={trans}
            />
          </div>
        );
      })}
      {mayChange && (
        <DecisionFields decider={decider} user={user} askName={askName} trans={trans} />
      )}
    </section>
  );
}
