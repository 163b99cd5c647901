import { Token } from '@lumino/coreutils';

export type RunId = string & { readonly __brand: 'RunId' };
export type ReleaseId = string & { readonly __brand: 'ReleaseId' };
export type DeploymentId = string & { readonly __brand: 'DeploymentId' };
export type PromotionId = string & { readonly __brand: 'PromotionId' };
/** Milliseconds since 1970 in UTC. */
export type Millis = number & { readonly __brand: 'Millis' };
/** An exact decimal amount in text. */
export type Money = string & { readonly __brand: 'Money' };

export type ProcessState = 'running' | 'stopped' | 'killed';
export type GateState = 'waiting' | 'running' | 'passed' | 'refused';
export type ApprovalState = 'waiting' | 'approved' | 'refused';
export type PromotionState = 'running' | 'promoted' | 'refused' | 'failed';
export type DeploymentState =
  'starting' | 'running' | 'restarting' | 'stopped' | 'finished' | 'failed';
export type Mode = 'PAPER' | 'LIVE';

export interface IMe {
  readonly user: string;
  readonly role: string;
  readonly verbs: readonly string[];
  /** One login serves everybody who sits at this machine. */
  readonly soleUser: boolean;
}

export interface IProcess {
  readonly state: ProcessState;
  readonly detail: string;
}

export interface IKill {
  readonly scope: string;
  readonly by: string;
  readonly reason: string;
  readonly at: Millis | null;
}

export interface IStatus {
  readonly gateway: IProcess;
  readonly supervisor: IProcess;
  readonly mode: Mode;
  readonly kills: readonly IKill[];
  readonly monitorUrl: string;
}

export interface IRun {
  readonly id: RunId;
  readonly name: string;
  readonly experiment: string;
  readonly status: string;
  readonly started: Millis | null;
  readonly notebook: string;
  readonly author: string;
  readonly candidate: boolean;
  readonly trials: number;
  readonly metrics: Readonly<Record<string, number | null>>;
}

export interface IGate {
  readonly name: string;
  readonly title: string;
  readonly state: GateState;
  readonly detail: string;
}

export interface IApproval {
  readonly approver: string;
  readonly decision: 'approved' | 'refused';
  readonly reason: string;
  readonly at: Millis | null;
}

export interface IRelease {
  readonly id: ReleaseId;
  readonly name: string;
  readonly runId: string;
  readonly author: string;
  readonly created: Millis | null;
  readonly approval: ApprovalState;
  readonly approvals: readonly IApproval[];
  readonly gates: readonly IGate[];
  readonly strategy: string;
  readonly instruments: readonly string[];
  readonly timeframe: string;
}

export interface IPromotion {
  readonly id: PromotionId;
  readonly subject: string;
  readonly by: string;
  readonly state: PromotionState;
  readonly gates: readonly IGate[];
  readonly detail: string;
  readonly releaseId: ReleaseId | null;
}

export interface IPosition {
  readonly instrument: string;
  readonly units: number;
  readonly averagePrice: Money;
  readonly unrealized: Money;
}

export interface IOrder {
  readonly instrument: string;
  readonly units: number;
  readonly reduceOnly: boolean;
}

export interface IDecision {
  readonly at: Millis | null;
  readonly orders: readonly IOrder[];
}

export interface IDeployment {
  readonly id: DeploymentId;
  readonly releaseId: ReleaseId;
  readonly releaseName: string;
  readonly accountId: string;
  readonly broker: string;
  readonly currency: string;
  readonly desired: 'running' | 'stopped';
  readonly state: DeploymentState;
  readonly detail: string;
  readonly restarts: number;
  readonly equity: Money;
  readonly profit: Money;
  readonly positions: readonly IPosition[];
  readonly lastDecision: IDecision | null;
  readonly marketTime: Millis | null;
  readonly dataAgeS: number | null;
  /** Why it is killed, empty when it is not. */
  readonly killed: string;
}

export interface IAccount {
  readonly id: string;
  readonly broker: string;
  readonly currency: string;
  readonly balance: Money;
  /** The kind of its own feed, empty for none. */
  readonly feed: string;
  readonly heldBy: string;
}

/** Where a release can be put. */
export interface IAccounts {
  readonly accounts: readonly IAccount[];
  /** Who publishes quotes for a stream now. */
  readonly sources: readonly string[];
}

/** One frame of the stream. */
export interface IFrame {
  readonly seq: number;
  readonly status: IStatus;
  readonly deployments: readonly IDeployment[];
  readonly promotions: readonly IPromotion[];
  readonly releasesVersion: string;
  readonly runsVersion: string;
}

export interface IDone {
  readonly said: string;
}

/** Limits in the server's whole units; see `limits.ts`. */
export type ILimits = Readonly<Record<string, number | readonly string[]>>;

export interface IPromoteRequest {
  readonly runId?: RunId;
  readonly notebook?: string;
  readonly limits?: ILimits;
}

export interface IApproveRequest {
  readonly releaseId: ReleaseId;
  readonly decision: 'approved' | 'refused';
  readonly reason: string;
  readonly approver?: string;
}

export type FeedKind = 'bars' | 'ticks' | 'stream';

/** Where the prices of a deployment come from: a replay of its own data, or a stream of quotes. */
export interface IFeed {
  readonly kind: FeedKind;
  /** Of a replay, as in 2017-03-01; empty for four weeks before the end. */
  readonly start: string;
  /** The first day that a replay leaves out; empty for none. */
  readonly end: string;
  /** Bars or ticks of a replay. */
  readonly perSecond: number;
  /** Who publishes the quotes of a stream. */
  readonly source: string;
  /** Of a stream: each quote, not the latest where the strategy is slower. */
  readonly everyQuote: boolean;
}

export interface IDeployRequest {
  readonly releaseId: ReleaseId;
  readonly accountId: string;
  /** Null for the account's own feed. */
  readonly feed: IFeed | null;
}

/** One of the controls R01 to R26. */
export interface IControl {
  readonly id: string;
  readonly title: string;
  /** What it does. */
  readonly effect: string;
}

/** One limit of a control; `byDefault` is as a person types it. */
export interface ILimitKind {
  readonly name: string;
  readonly control: string;
  readonly words: string;
  readonly unit: string;
  readonly byDefault: string;
}

/** One version of one limit in one scope. */
export interface ILimitEntry {
  readonly version: number;
  readonly name: string;
  readonly control: string;
  readonly scope: string;
  /** As a person types it, empty when it can not be read. */
  readonly text: string;
  /** One that can not be read passes nothing. */
  readonly readable: boolean;
  readonly by: string;
  readonly approvedBy: string;
  readonly reason: string;
  readonly at: Millis | null;
}

/** What a deployment is to the limits. */
export interface ILimitedDeployment {
  readonly id: DeploymentId;
  readonly accountId: string;
  readonly instruments: readonly string[];
  /** Why it only reduces, empty when it does not. */
  readonly halted: string;
}

export type OverrideState = 'waits' | 'approved' | 'withdrawn' | 'used' | 'expired';

/** One order past one soft control (R26). */
export interface IOverride {
  readonly number: number;
  readonly deploymentId: DeploymentId;
  readonly control: string;
  readonly instrument: string;
  /** The most to buy; below zero to sell. */
  readonly units: number;
  readonly state: OverrideState;
  readonly by: string;
  readonly approvedBy: string;
  readonly reason: string;
  /** The order that used it, empty for none. */
  readonly orderId: string;
  readonly until: Millis | null;
}

/** The table of limits. */
export interface ILimitTable {
  readonly version: number;
  /** Whether raising a limit waits for another person. */
  readonly secondPerson: boolean;
  readonly controls: readonly IControl[];
  readonly kinds: readonly ILimitKind[];
  readonly inForce: readonly ILimitEntry[];
  readonly waiting: readonly ILimitEntry[];
  readonly deployments: readonly ILimitedDeployment[];
  /** The controls that may be overridden. */
  readonly overridable: readonly string[];
  /** How long an override may hold; 0 while they are off. */
  readonly overrideMinutes: number;
  /** The oldest first. */
  readonly overrides: readonly IOverride[];
}

export interface ILimitChange {
  readonly name: string;
  readonly scope: string;
  readonly text: string;
  readonly reason: string;
  /** In whose name, where one login serves everybody. */
  readonly person?: string;
}

export interface ILimitDecision {
  readonly action: 'approve' | 'withdraw';
  readonly version: number;
  readonly reason: string;
  readonly person?: string;
}

export interface IOverrideWish {
  readonly deploymentId: DeploymentId;
  readonly control: string;
  readonly instrument: string;
  readonly units: number;
  readonly minutes: number;
  readonly reason: string;
  readonly person?: string;
}

export interface IOverrideDecision {
  readonly action: 'approve' | 'withdraw';
  readonly number: number;
  readonly reason: string;
  readonly person?: string;
}

/** What the server can be asked; `request.ts` does it over HTTP. */
export interface IApi {
  me(): Promise<IMe>;
  runs(): Promise<readonly IRun[]>;
  releases(): Promise<readonly IRelease[]>;
  accounts(): Promise<IAccounts>;
  promote(request: IPromoteRequest): Promise<IPromotion>;
  approve(request: IApproveRequest): Promise<IRelease>;
  deploy(request: IDeployRequest): Promise<IDone>;
  stop(deploymentId: DeploymentId, flatten: boolean): Promise<IDone>;
  start(deploymentId: DeploymentId): Promise<IDone>;
  kill(scope: string, reason: string): Promise<IDone>;
  unkill(scope: string, reason: string): Promise<IDone>;
  limits(): Promise<ILimitTable>;
  setLimit(change: ILimitChange): Promise<IDone>;
  decideLimit(decision: ILimitDecision): Promise<IDone>;
  askOverride(wish: IOverrideWish): Promise<IDone>;
  decideOverride(decision: IOverrideDecision): Promise<IDone>;
  resume(deploymentId: DeploymentId): Promise<IDone>;
  openStream(listener: IStreamListener): IStream;
}

export interface IStream {
  close(): void;
}

export interface IStreamListener {
  onOpen(): void;
  onFrame(frame: IFrame): void;
  /** A frame came that is not one. */
  onProblem(sentence: string): void;
  onClose(): void;
}

export type Connection = 'connecting' | 'open' | 'closed';

/** Everything the panels show. */
export interface IState {
  readonly connection: Connection;
  /** When the last frame came, by this browser's clock. */
  readonly receivedAt: number | null;
  readonly me: IMe | null;
  readonly status: IStatus | null;
  readonly deployments: readonly IDeployment[];
  readonly promotions: readonly IPromotion[];
  /** Null before they were loaded. */
  readonly releases: readonly IRelease[] | null;
  /** Null before they were loaded. */
  readonly runs: readonly IRun[] | null;
  /** What could not be loaded, empty for nothing. */
  readonly error: string;
}

/** The one data layer: panels read it, commands act through it. */
export interface IWorkbench {
  readonly api: IApi;
  readonly state: IState;
  subscribe(listener: () => void): () => void;
  may(verb: string): boolean;
  refresh(): Promise<void>;
}

export const IWorkbench = new Token<IWorkbench>(
  '@workbench/lab:IWorkbench',
  'The live state of the workbench, and its verbs.'
);

export const CommandIDs = {
  showPanel: 'workbench:show-panel',
  refresh: 'workbench:refresh',
  openMonitor: 'workbench:open-monitor',
  limits: 'workbench:limits',
  promote: 'workbench:promote',
  approve: 'workbench:approve',
  deploy: 'workbench:deploy',
  stop: 'workbench:stop',
  start: 'workbench:start',
  killAll: 'workbench:kill-all',
  unkillAll: 'workbench:unkill-all'
} as const;
