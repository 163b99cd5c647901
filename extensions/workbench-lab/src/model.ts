import type { IApi, IFrame, IState, IStream, IWorkbench } from './tokens';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

const NOTHING: IState = {
  connection: 'connecting',
  receivedAt: null,
  me: null,
  status: null,
  deployments: [],
  promotions: [],
  releases: null,
  runs: null,
  error: ''
};

/** The clock and the timer a model lives by. */
export interface IClock {
  now(): number;
  later(action: () => void, ms: number): () => void;
}

const BROWSER_CLOCK: IClock = {
  now: () => Date.now(),
  later: (action, ms) => {
    const timer = window.setTimeout(action, ms);
    return () => {
      window.clearTimeout(timer);
    };
  }
};

/**
 * Keeps the live state of one stream, and loads the lists again when the stream says they changed.
 *
 * A connection that is lost is opened again, ever more slowly; what was known stays to be seen, marked
 * as old.
 */
export class WorkbenchModel implements IWorkbench {
  constructor(
    readonly api: IApi,
    private readonly clock: IClock = BROWSER_CLOCK
  ) {}

  get state(): IState {
    return this.current;
  }

  /** Begin; more calls change nothing. */
  start(): void {
    if (this.stream === null && !this.disposed) {
      this.open();
    }
  }

  dispose(): void {
    this.disposed = true;
    this.stream?.close();
    this.cancelWait();
    this.listeners.clear();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  may(verb: string): boolean {
    return this.current.connection === 'open' && (this.current.me?.verbs.includes(verb) ?? false);
  }

  async refresh(): Promise<void> {
    await Promise.all([this.loadMe(), this.loadReleases(), this.loadRuns()]);
  }

  private open(): void {
    this.stream = this.api.openStream({
      onOpen: () => {
        this.waitMs = FIRST_WAIT_MS;
        this.versions = { releases: '', runs: '' }; // much may have happened meanwhile
        void this.loadMe();
      },
      onFrame: frame => {
        this.take(frame);
      },
      onProblem: sentence => {
        this.change({ error: sentence });
      },
      onClose: () => {
        this.change({ connection: 'closed' });
        this.cancelWait = this.clock.later(() => {
          this.open();
        }, this.waitMs);
        this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
      }
    });
  }

  private take(frame: IFrame): void {
    const { status, deployments, promotions, releasesVersion, runsVersion } = frame;
    this.change({
      connection: 'open',
      receivedAt: this.clock.now(),
      status,
      deployments,
      promotions
    });
    if (releasesVersion !== this.versions.releases) {
      this.versions = { ...this.versions, releases: releasesVersion };
      void this.loadReleases();
    }
    if (runsVersion !== this.versions.runs) {
      this.versions = { ...this.versions, runs: runsVersion };
      void this.loadRuns();
    }
  }

  private async loadMe(): Promise<void> {
    await this.load(async () => ({ me: await this.api.me() }));
  }

  private async loadReleases(): Promise<void> {
    await this.load(async () => ({ releases: await this.api.releases() }));
  }

  private async loadRuns(): Promise<void> {
    await this.load(async () => ({ runs: await this.api.runs() }));
  }

  private async load(ask: () => Promise<Partial<IState>>): Promise<void> {
    try {
      this.change({ ...(await ask()), error: '' });
    } catch (error) {
      this.change({ error: error instanceof Error ? error.message : String(error) });
    }
  }

  private change(values: Partial<IState>): void {
    if (this.disposed) {
      return;
    }
    this.current = { ...this.current, ...values };
    this.listeners.forEach(listener => {
      listener();
    });
  }

  private current: IState = NOTHING;
  private stream: IStream | null = null;
  private disposed = false;
  private waitMs = FIRST_WAIT_MS;
  private cancelWait: () => void = () => undefined;
  private versions = { releases: '', runs: '' };
  private readonly listeners = new Set<() => void>();
}
