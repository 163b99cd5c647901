import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatMetric, formatTime, notebookName } from '../format';
import type { IRun, RunId } from '../tokens';
import { Badge } from './Badge';

const SHOWN_METRICS: readonly string[] = ['sharpe', 'sharpe_ratio', 'total_return', 'max_drawdown'];
const MOST_METRICS = 3;

export interface IRunTableProps {
  readonly runs: readonly IRun[];
  readonly mayPromote: boolean;
  readonly onPromote: (id: RunId) => void;
  readonly trans: TranslationBundle;
}

/** The runs of each notebook, the newest first. */
export function RunTable({
  runs,
  mayPromote,
  onPromote,
  trans
}: IRunTableProps): React.JSX.Element {
  return (
    <>
      {[...byNotebook(runs)].map(([notebook, found]) => (
        <section key={notebook} className="wb-Runs">
          <h4>{notebookName(notebook) || trans.__('Without a notebook')}</h4>
          <ul>
            {found.map(run => (
              <li key={run.id} className="wb-Run">
                <span className="wb-Run-name" title={run.id}>
                  {run.name}
                </span>
                {run.candidate && <Badge tone="good">{trans.__('candidate')}</Badge>}
                <span className="wb-quiet">
                  {[
                    formatTime(run.started),
                    ...(run.trials > 0 ? [trans._n('%1 trial', '%1 trials', run.trials)] : []),
                    ...shownMetrics(run)
                  ].join(' · ')}
                </span>
                {run.candidate && (
                  <button
                    type="button"
                    className="wb-Button"
                    disabled={!mayPromote}
                    aria-label={trans.__('Promote run %1', run.name)}
                    onClick={() => {
                      onPromote(run.id);
                    }}
                  >
                    {trans.__('Promote…')}
                  </button>
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function byNotebook(runs: readonly IRun[]): ReadonlyMap<string, readonly IRun[]> {
  const groups = new Map<string, IRun[]>();
  runs.forEach(run => {
    groups.set(run.notebook, [...(groups.get(run.notebook) ?? []), run]);
  });
  return groups;
}

function shownMetrics(run: IRun): readonly string[] {
  return SHOWN_METRICS.filter(name => name in run.metrics)
    .slice(0, MOST_METRICS)
    .map(name => `${name.replace(/_/g, ' ')} ${formatMetric(run.metrics[name] ?? null)}`);
}
