import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatTime } from '../format';
import type { ApprovalState, IRelease, ReleaseId } from '../tokens';
import { Badge, Tone } from './Badge';
import { GateList } from './GateList';

const TONES: Readonly<Record<ApprovalState, Tone>> = {
  waiting: 'busy',
  approved: 'good',
  refused: 'bad'
};

export interface IReleaseCardProps {
  readonly release: IRelease;
  readonly mayApprove: boolean;
  readonly mayDeploy: boolean;
  readonly onApprove: (id: ReleaseId) => void;
  readonly onDeploy: (id: ReleaseId) => void;
  readonly trans: TranslationBundle;
}

/** One release: its gates, who decided on it and why. */
export function ReleaseCard(props: IReleaseCardProps): React.JSX.Element {
  const { release, mayApprove, mayDeploy, onApprove, onDeploy, trans } = props;
  const words: Readonly<Record<ApprovalState, string>> = {
    waiting: trans.__('waits for approval'),
    approved: trans.__('approved'),
    refused: trans.__('refused')
  };
  const passed = release.gates.filter(gate => gate.state === 'passed').length;
  return (
    <article className="wb-Card" aria-label={trans.__('Release %1', release.name)}>
      <header>
        <h4>{release.name}</h4>
        <Badge tone={TONES[release.approval]}>{words[release.approval]}</Badge>
      </header>
      <p className="wb-quiet">
        {release.strategy} · {release.instruments.join(', ')} {release.timeframe} ·{' '}
        <code title={release.id}>{release.id.slice(0, 12)}</code>
      </p>
      <p className="wb-quiet">
        {trans.__('by %1, %2', release.author, formatTime(release.created))}
      </p>
      {release.approvals.map(item => (
        <p key={item.approver} className="wb-quiet">
          {item.decision === 'approved'
            ? trans.__('Approved by %1: %2', item.approver, item.reason)
            : trans.__('Refused by %1: %2', item.approver, item.reason)}
        </p>
      ))}
      <details>
        <summary>{trans.__('%1 of %2 gates passed', passed, release.gates.length)}</summary>
        <GateList gates={release.gates} trans={trans} />
      </details>
      {release.approval === 'waiting' && (
        <button
          type="button"
          className="wb-Button"
          disabled={!mayApprove}
          onClick={() => {
            onApprove(release.id);
          }}
        >
          {trans.__('Decide…')}
        </button>
      )}
      {release.approval === 'approved' && (
        <button
          type="button"
          className="wb-Button"
          disabled={!mayDeploy}
          onClick={() => {
            onDeploy(release.id);
          }}
        >
          {trans.__('Deploy…')}
        </button>
      )}
    </article>
  );
}
