import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import {
  parseAccounts,
  parseDone,
  parseFrame,
  parseLimitTable,
  parseMe,
  parsePromotion,
  parseRefusal,
  parseRelease,
  parseReleases,
  parseRuns
} from './parse';
import type {
  DeploymentId,
  IAccounts,
  IApi,
  IApproveRequest,
  IDeployRequest,
  IDone,
  IFeed,
  ILimitChange,
  ILimitDecision,
  ILimitTable,
  IMe,
  IOverrideDecision,
  IOverrideWish,
  IPromoteRequest,
  IPromotion,
  IRelease,
  IRun,
  IStream,
  IStreamListener
} from './tokens';

const ROOT = 'workbench/api/v1';

/** The server did not do what was asked; the message is its sentence. */
export class RefusedError extends Error {
  constructor(
    readonly status: number,
    sentence: string
  ) {
    super(sentence);
  }
}

/** The workbench's server: the only place of this extension that talks to it. */
export class ServerApi implements IApi {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async me(): Promise<IMe> {
    return parseMe(await this.get('me'));
  }

  async runs(): Promise<readonly IRun[]> {
    return parseRuns(await this.get('runs'));
  }

  async releases(): Promise<readonly IRelease[]> {
    return parseReleases(await this.get('releases'));
  }

  async accounts(): Promise<IAccounts> {
    return parseAccounts(await this.get('accounts'));
  }

  async promote(request: IPromoteRequest): Promise<IPromotion> {
    const { runId, notebook, limits } = request;
    return parsePromotion(await this.post('promote', { run_id: runId, notebook, limits }));
  }

  async approve(request: IApproveRequest): Promise<IRelease> {
    const { releaseId, decision, reason, approver } = request;
    return parseRelease(
      await this.post('approve', { release_id: releaseId, decision, reason, approver })
    );
  }

  async deploy(request: IDeployRequest): Promise<IDone> {
    const { releaseId, accountId, feed } = request;
    return parseDone(
      await this.post('deploy', {
        release_id: releaseId,
        account_id: accountId,
        feed: feed === null ? undefined : feedBody(feed)
      })
    );
  }

  async stop(deploymentId: DeploymentId, flatten: boolean): Promise<IDone> {
    return parseDone(await this.post('stop', { deployment_id: deploymentId, flatten }));
  }

  async start(deploymentId: DeploymentId): Promise<IDone> {
    return parseDone(await this.post('start', { deployment_id: deploymentId }));
  }

  async kill(scope: string, reason: string): Promise<IDone> {
    return parseDone(await this.post('kill', { scope, reason }));
  }

  async unkill(scope: string, reason: string): Promise<IDone> {
    return parseDone(await this.post('unkill', { scope, reason }));
  }

  async limits(): Promise<ILimitTable> {
    return parseLimitTable(await this.get('limits'));
  }

  async setLimit(change: ILimitChange): Promise<IDone> {
    return parseDone(await this.post('limits', { action: 'set', ...change }));
  }

  async decideLimit(decision: ILimitDecision): Promise<IDone> {
    return parseDone(await this.post('limits', { ...decision }));
  }

  async askOverride({ deploymentId, ...wish }: IOverrideWish): Promise<IDone> {
    return parseDone(
      await this.post('override', { action: 'ask', deployment_id: deploymentId, ...wish })
    );
  }

  async decideOverride(decision: IOverrideDecision): Promise<IDone> {
    return parseDone(await this.post('override', { ...decision }));
  }

  async resume(deploymentId: DeploymentId): Promise<IDone> {
    return parseDone(await this.post('resume', { deployment_id: deploymentId }));
  }

  openStream(listener: IStreamListener): IStream {
    const { WebSocket, wsUrl, token, appendToken } = this.settings;
    const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new WebSocket(URLExt.join(wsUrl, ROOT, 'stream') + query);
    socket.onopen = () => {
      listener.onOpen();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      try {
        listener.onFrame(parseFrame(JSON.parse(String(event.data))));
      } catch (error) {
        listener.onProblem(error instanceof Error ? error.message : String(error));
      }
    };
    socket.onclose = () => {
      listener.onClose();
    };
    return {
      close: () => {
        socket.onclose = null;
        socket.close();
      }
    };
  }

  private get(route: string): Promise<unknown> {
    return this.ask(route, { method: 'GET' });
  }

  private post(route: string, body: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.ask(route, { method: 'POST', body: JSON.stringify(body) });
  }

  private async ask(route: string, init: RequestInit): Promise<unknown> {
    const response = await ServerConnection.makeRequest(
      URLExt.join(this.settings.baseUrl, ROOT, route),
      init,
      this.settings
    );
    const found: unknown = await response.json().catch(() => null);
    if (!response.ok) {
      throw new RefusedError(response.status, parseRefusal(found, response.statusText));
    }
    return found;
  }
}

function feedBody(feed: IFeed): Readonly<Record<string, unknown>> {
  const { kind, start, end, perSecond, source, everyQuote } = feed;
  return kind === 'stream'
    ? { kind, source, every_quote: everyQuote }
    : { kind, start: start || undefined, end: end || undefined, per_second: perSecond };
}
