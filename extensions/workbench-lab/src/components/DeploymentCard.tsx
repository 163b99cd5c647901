import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import {
  formatAge,
  formatDecision,
  formatMoney,
  formatPosition,
  formatTime,
  signOf
} from '../format';
import type { DeploymentId, DeploymentState, IDeployment } from '../tokens';
import { Badge, Tone } from './Badge';

const TONES: Readonly<Record<DeploymentState, Tone>> = {
  starting: 'busy',
  running: 'good',
  restarting: 'warn',
  stopped: 'idle',
  finished: 'idle',
  failed: 'bad'
};
const RESTING: readonly DeploymentState[] = ['stopped', 'failed'];
const MOVING: readonly DeploymentState[] = ['starting', 'running', 'restarting'];

export interface IDeploymentCardProps {
  readonly deployment: IDeployment;
  /** Seconds since the frame came that this deployment is from. */
  readonly frameAgeS: number;
  /** Data of a running deployment that is older is shown as stale. */
  readonly staleAfterS: number;
  readonly mayStop: boolean;
  readonly mayStart: boolean;
  readonly onStop: (id: DeploymentId) => void;
  readonly onStart: (id: DeploymentId) => void;
  readonly trans: TranslationBundle;
}

/** One deployment: what it holds, what it decided, how old that is. */
export function DeploymentCard(props: IDeploymentCardProps): React.JSX.Element {
  const { deployment, mayStop, mayStart, onStop, onStart, trans } = props;
  const moving = MOVING.includes(deployment.state);
  const profit = signOf(deployment.profit);
  const positions = deployment.positions.map(item => formatPosition(item, trans)).join('; ');
  return (
    <article className="wb-Card" aria-label={trans.__('Deployment %1', deployment.id)}>
      <header>
        <h4>{deployment.releaseName}</h4>
        <Badge tone={deployment.killed === '' ? TONES[deployment.state] : 'bad'}>
          {deployment.killed === '' ? stateWord(deployment.state, trans) : trans.__('killed')}
        </Badge>
      </header>
      <p className="wb-quiet">
        {trans.__('%1 on account %2', deployment.broker, deployment.accountId)} · {deployment.id}
      </p>
      <dl className="wb-Facts">
        <dt>{trans.__('Equity')}</dt>
        <dd className="wb-number">{formatMoney(deployment.equity, deployment.currency)}</dd>
        <dt>{trans.__('Profit')}</dt>
        <dd className={`wb-number ${profit > 0 ? 'wb-gain' : profit < 0 ? 'wb-loss' : ''}`}>
          {formatMoney(deployment.profit, deployment.currency, true)}
        </dd>
        <dt>{trans.__('Position')}</dt>
        <dd>{positions || trans.__('flat')}</dd>
        <dt>{trans.__('Decision')}</dt>
        <dd>{formatDecision(deployment.lastDecision, trans)}</dd>
        <dt>{trans.__('Market')}</dt>
        <dd>
          {formatTime(deployment.marketTime)} {moving && <DataAge {...props} />}
        </dd>
      </dl>
      {deployment.killed !== '' && (
        <p className="wb-problem">{trans.__('Killed by %1', deployment.killed)}</p>
      )}
      {deployment.detail !== '' && <p className="wb-quiet">{deployment.detail}</p>}
      {moving && (
        <button
          type="button"
          className="wb-Button"
          disabled={!mayStop}
          onClick={() => {
            onStop(deployment.id);
          }}
        >
          {trans.__('Stop…')}
        </button>
      )}
      {RESTING.includes(deployment.state) && (
        <button
          type="button"
          className="wb-Button"
          disabled={!mayStart}
          onClick={() => {
            onStart(deployment.id);
          }}
        >
          {trans.__('Start again')}
        </button>
      )}
    </article>
  );
}

function DataAge({
  deployment,
  frameAgeS,
  staleAfterS,
  trans
}: IDeploymentCardProps): React.JSX.Element | null {
  if (deployment.dataAgeS === null) {
    return null;
  }
  const seconds = deployment.dataAgeS + frameAgeS;
  if (seconds > staleAfterS) {
    return <Badge tone="warn">{trans.__('stale: %1', formatAge(seconds, trans))}</Badge>;
  }
  return <span className="wb-quiet">({formatAge(seconds, trans)})</span>;
}

function stateWord(state: DeploymentState, trans: TranslationBundle): string {
  const words: Readonly<Record<DeploymentState, string>> = {
    starting: trans.__('starting'),
    running: trans.__('running'),
    restarting: trans.__('restarting'),
    stopped: trans.__('stopped'),
    finished: trans.__('finished'),
    failed: trans.__('failed')
  };
  return words[state];
}
