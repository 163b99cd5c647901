import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { DeploymentId, IState, PromotionState, ReleaseId, RunId } from '../tokens';
import { Badge, Tone } from './Badge';
import { DeploymentCard } from './DeploymentCard';
import { GateList } from './GateList';
import { ReleaseCard } from './ReleaseCard';
import { RunTable } from './RunTable';
import { Section } from './Section';

const PROMOTION_TONES: Readonly<Record<PromotionState, Tone>> = {
  running: 'busy',
  promoted: 'good',
  refused: 'bad',
  failed: 'bad'
};

/** The server sends a frame every five seconds at least; without any for so long it hangs. */
const SILENT_AFTER_S = 15;

export interface IPanelActions {
  readonly onPromote: (id: RunId) => void;
  readonly onApprove: (id: ReleaseId) => void;
  readonly onDeploy: (id: ReleaseId) => void;
  readonly onStop: (id: DeploymentId) => void;
  readonly onStart: (id: DeploymentId) => void;
  readonly onKill: () => void;
  readonly onUnkill: () => void;
  readonly onRefresh: () => void;
  readonly onMonitor: () => void;
  readonly onLimits: () => void;
}

export interface IPanelProps {
  readonly state: IState;
  readonly may: (verb: string) => boolean;
  /** By the browser's clock. */
  readonly now: number;
  readonly staleAfterS: number;
  readonly actions: IPanelActions;
  readonly trans: TranslationBundle;
}

/** The sidebar: what runs live first, then what could. */
export function Panel({
  state,
  may,
  now,
  staleAfterS,
  actions,
  trans
}: IPanelProps): React.JSX.Element {
  const frameAgeS = state.receivedAt === null ? 0 : Math.max(0, (now - state.receivedAt) / 1_000);
  const silent = state.connection === 'open' && frameAgeS > SILENT_AFTER_S;
  const fresh = state.connection === 'open' && !silent;
  const loading = trans.__('Loading…');
  const killedAll = state.status?.kills.some(kill => kill.scope === 'all') ?? false;
  const begun = state.promotions.filter(item => item.state === 'running').length;
  return (
    <div className="wb-Panel-content">
      <div className="wb-Toolbar" role="toolbar" aria-label={trans.__('Workbench')}>
        {killedAll ? (
          <button
            type="button"
            className="wb-Button"
            disabled={!may('unkill')}
            onClick={actions.onUnkill}
          >
            {trans.__('Release kill switch…')}
          </button>
        ) : (
          <button
            type="button"
            className="wb-Button wb-mod-danger"
            disabled={!may('kill')}
            onClick={actions.onKill}
          >
            {trans.__('Kill all…')}
          </button>
        )}
        <button type="button" className="wb-Button" onClick={actions.onMonitor}>
          {trans.__('Monitor')}
        </button>
        <button type="button" className="wb-Button" onClick={actions.onLimits}>
          {trans.__('Limits')}
        </button>
        <button type="button" className="wb-Button" onClick={actions.onRefresh}>
          {trans.__('Refresh')}
        </button>
      </div>
      <Notices state={state} silent={silent} trans={trans} />
      <div className={fresh ? undefined : 'wb-old'}>
        <Section
          title={trans.__('Deployments')}
          count={state.status === null ? null : state.deployments.length}
          loading={loading}
          empty={trans.__('Nothing is deployed. An approved release can be.')}
        >
          {state.deployments.map(deployment => (
            <DeploymentCard
              key={deployment.id}
              deployment={deployment}
              frameAgeS={frameAgeS}
              staleAfterS={staleAfterS}
              mayStop={may('stop')}
              mayStart={may('start')}
              onStop={actions.onStop}
              onStart={actions.onStart}
              trans={trans}
            />
          ))}
        </Section>
        {state.promotions.length > 0 && (
          <Section
            title={trans.__('Promotions')}
            count={state.promotions.length}
            loading=""
            empty=""
          >
            {state.promotions.map(item => (
              <article key={item.id} className="wb-Card">
                <header>
                  <h4>{item.subject}</h4>
                  <Badge tone={PROMOTION_TONES[item.state]}>{item.state}</Badge>
                </header>
                <p className="wb-quiet">{item.detail}</p>
                {item.state === 'running' && <GateList gates={item.gates} trans={trans} />}
              </article>
            ))}
          </Section>
        )}
        <Section
          title={trans.__('Releases')}
          count={state.releases?.length ?? null}
          loading={loading}
          empty={trans.__('No release yet. Promote a run that ends with deploy(…).')}
        >
          {state.releases?.map(release => (
            <ReleaseCard
              key={release.id}
              release={release}
              mayApprove={may('approve')}
              mayDeploy={may('deploy')}
              onApprove={actions.onApprove}
              onDeploy={actions.onDeploy}
              trans={trans}
            />
          ))}
        </Section>
        <Section
          title={trans.__('Runs')}
          count={state.runs?.length ?? null}
          loading={loading}
          empty={trans.__('No run yet. Every backtest in a notebook becomes one.')}
        >
          <RunTable
            runs={state.runs ?? []}
            mayPromote={may('promote')}
            onPromote={actions.onPromote}
            trans={trans}
          />
        </Section>
      </div>
      <p className="wb-hidden" role="status">
        {begun > 0 ? trans._n('%1 promotion is running', '%1 promotions are running', begun) : ''}
      </p>
    </div>
  );
}

interface INoticesProps {
  readonly state: IState;
  readonly silent: boolean;
  readonly trans: TranslationBundle;
}

/** What is wrong, told to a screen reader as soon as it is so. */
function Notices({ state, silent, trans }: INoticesProps): React.JSX.Element {
  const { connection, status, error, receivedAt } = state;
  const since =
    receivedAt === null ? '' : trans.__(' What you see is as of %1.', clockTime(receivedAt));
  return (
    <div role="alert" className="wb-Notices">
      {(connection === 'closed' || silent) && (
        <p className="wb-Notice">
          <Badge tone="bad">{trans.__('Not connected')}</Badge>{' '}
          {trans.__('The server does not answer; trying again.')}
          {since}
        </p>
      )}
      {status !== null && status.gateway.state !== 'running' && (
        <p className="wb-Notice">
          <Badge tone="bad">
            {status.gateway.state === 'killed'
              ? trans.__('Kill switch thrown')
              : trans.__('Gateway stopped')}
          </Badge>{' '}
          {status.gateway.detail}
        </p>
      )}
      {status !== null &&
        status.gateway.state === 'running' &&
        status.supervisor.state !== 'running' && (
          <p className="wb-Notice">
            <Badge tone="warn">{trans.__('Supervisor stopped')}</Badge> {status.supervisor.detail}
          </p>
        )}
      {error !== '' && (
        <p className="wb-Notice">
          <Badge tone="warn">{trans.__('Not loaded')}</Badge> {error}
        </p>
      )}
    </div>
  );
}

function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString();
}
