import type {
  DeploymentId,
  IAccount,
  IAccounts,
  IApproval,
  IControl,
  IDecision,
  IDeployment,
  IDone,
  IFrame,
  IGate,
  IKill,
  ILimitedDeployment,
  ILimitEntry,
  ILimitKind,
  ILimitTable,
  IMe,
  IOrder,
  IOverride,
  IPosition,
  IProcess,
  IPromotion,
  IRelease,
  IRun,
  IStatus,
  Millis,
  Money,
  PromotionId,
  ReleaseId,
  RunId
} from './tokens';

/** What the server sent is checked here, once; behind these functions it is trusted. */
export class ParseError extends TypeError {}

type Fields = Readonly<Record<string, unknown>>;
type Parser<T> = (value: unknown, path: string) => T;

function fail(path: string, expected: string, found: unknown): never {
  throw new ParseError(
    `${path}: expected ${expected}, found ${found === undefined ? 'nothing' : JSON.stringify(found)}`
  );
}

function fields(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(path, 'an object', value);
  }
  return value as Fields;
}

const text: Parser<string> = (value, path) =>
  typeof value === 'string' ? value : fail(path, 'a text', value);

const flag: Parser<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : fail(path, 'true or false', value);

const number: Parser<number> = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) ? value : fail(path, 'a number', value);

const money: Parser<Money> = (value, path) =>
  typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)
    ? (value as Money)
    : fail(path, 'a decimal in text', value);

function orNull<T>(parser: Parser<T>): Parser<T | null> {
  return (value, path) => (value === null ? null : parser(value, path));
}

function listOf<T>(parser: Parser<T>): Parser<readonly T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item: unknown, index) => parser(item, `${path}[${index}]`))
      : fail(path, 'a list', value);
}

function oneOf<T extends string>(...known: readonly T[]): Parser<T> {
  return (value, path) =>
    known.find(item => item === value) ?? fail(path, `one of ${known.join(', ')}`, value);
}

function branded<T extends string>(): Parser<T> {
  return (value, path) => text(value, path) as T;
}

const millis: Parser<Millis | null> = orNull((value, path) => number(value, path) as Millis);

/** Reads a field of an object with a parser. */
function reader(value: unknown, path: string): <T>(name: string, parser: Parser<T>) => T {
  const known = fields(value, path);
  return (name, parser) => parser(known[name], `${path}.${name}`);
}

export function parseMe(value: unknown): IMe {
  const read = reader(value, 'me');
  return {
    user: read('user', text),
    role: read('role', text),
    verbs: read('verbs', listOf(text)),
    soleUser: read('sole_user', flag)
  };
}

const parseProcess: Parser<IProcess> = (value, path) => {
  const read = reader(value, path);
  return {
    state: read('state', oneOf('running', 'stopped', 'killed')),
    detail: read('detail', text)
  };
};

const parseKill: Parser<IKill> = (value, path) => {
  const read = reader(value, path);
  return {
    scope: read('scope', text),
    by: read('by', text),
    reason: read('reason', text),
    at: read('at', millis)
  };
};

const status: Parser<IStatus> = (value, path) => {
  const read = reader(value, path);
  return {
    gateway: read('gateway', parseProcess),
    supervisor: read('supervisor', parseProcess),
    mode: read('mode', oneOf('PAPER', 'LIVE')),
    kills: read('kills', listOf(parseKill)),
    monitorUrl: read('monitor_url', text)
  };
};

const metrics: Parser<Readonly<Record<string, number | null>>> = (value, path) =>
  Object.fromEntries(
    Object.entries(fields(value, path)).map(([name, found]) => [
      name,
      orNull(number)(found, `${path}.${name}`)
    ])
  );

const run: Parser<IRun> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('id', branded<RunId>()),
    name: read('name', text),
    experiment: read('experiment', text),
    status: read('status', text),
    started: read('started', millis),
    notebook: read('notebook', text),
    author: read('author', text),
    candidate: read('candidate', flag),
    trials: read('trials', number),
    metrics: read('metrics', metrics)
  };
};

const gate: Parser<IGate> = (value, path) => {
  const read = reader(value, path);
  return {
    name: read('name', text),
    title: read('title', text),
    state: read('state', oneOf('waiting', 'running', 'passed', 'refused')),
    detail: read('detail', text)
  };
};

const approval: Parser<IApproval> = (value, path) => {
  const read = reader(value, path);
  return {
    approver: read('approver', text),
    decision: read('decision', oneOf('approved', 'refused')),
    reason: read('reason', text),
    at: read('at', millis)
  };
};

const release: Parser<IRelease> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('id', branded<ReleaseId>()),
    name: read('name', text),
    runId: read('run_id', text),
    author: read('author', text),
    created: read('created', millis),
    approval: read('approval', oneOf('waiting', 'approved', 'refused')),
    approvals: read('approvals', listOf(approval)),
    gates: read('gates', listOf(gate)),
    strategy: read('strategy', text),
    instruments: read('instruments', listOf(text)),
    timeframe: read('timeframe', text)
  };
};

const promotion: Parser<IPromotion> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('id', branded<PromotionId>()),
    subject: read('subject', text),
    by: read('by', text),
    state: read('state', oneOf('running', 'promoted', 'refused', 'failed')),
    gates: read('gates', listOf(gate)),
    detail: read('detail', text),
    releaseId: read('release_id', orNull(branded<ReleaseId>()))
  };
};

const position: Parser<IPosition> = (value, path) => {
  const read = reader(value, path);
  return {
    instrument: read('instrument', text),
    units: read('units', number),
    averagePrice: read('average_price', money),
    unrealized: read('unrealized', money)
  };
};

const order: Parser<IOrder> = (value, path) => {
  const read = reader(value, path);
  return {
    instrument: read('instrument', text),
    units: read('units', number),
    reduceOnly: read('reduce_only', flag)
  };
};

const decision: Parser<IDecision> = (value, path) => {
  const read = reader(value, path);
  return { at: read('at', millis), orders: read('orders', listOf(order)) };
};

const deployment: Parser<IDeployment> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('id', branded<DeploymentId>()),
    releaseId: read('release_id', branded<ReleaseId>()),
    releaseName: read('release_name', text),
    accountId: read('account_id', text),
    broker: read('broker', text),
    currency: read('currency', text),
    desired: read('desired', oneOf('running', 'stopped')),
    state: read(
      'state',
      oneOf('starting', 'running', 'restarting', 'stopped', 'finished', 'failed')
    ),
    detail: read('detail', text),
    restarts: read('restarts', number),
    equity: read('equity', money),
    profit: read('profit', money),
    positions: read('positions', listOf(position)),
    lastDecision: read('last_decision', orNull(decision)),
    marketTime: read('market_time', millis),
    dataAgeS: read('data_age_s', orNull(number)),
    killed: read('killed', text)
  };
};

const account: Parser<IAccount> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('id', text),
    broker: read('broker', text),
    currency: read('currency', text),
    balance: read('balance', money),
    feed: read('feed', text),
    heldBy: read('held_by', text)
  };
};

export const parseRelease = (value: unknown): IRelease => release(value, 'release');
export const parsePromotion = (value: unknown): IPromotion => promotion(value, 'promotion');
export const parseRuns = (value: unknown): readonly IRun[] =>
  reader(value, 'answer')('runs', listOf(run));
export const parseReleases = (value: unknown): readonly IRelease[] =>
  reader(value, 'answer')('releases', listOf(release));
export function parseAccounts(value: unknown): IAccounts {
  const read = reader(value, 'answer');
  return { accounts: read('accounts', listOf(account)), sources: read('sources', listOf(text)) };
}
export const parseDone = (value: unknown): IDone => ({
  said: reader(value, 'answer')('said', text)
});

export function parseLimitTable(value: unknown): ILimitTable {
  const read = reader(value, 'limits');
  return {
    version: read('version', number),
    secondPerson: read('second_person', flag),
    controls: read('controls', listOf(control)),
    kinds: read('limits', listOf(limitKind)),
    inForce: read('in_force', listOf(limitEntry)),
    waiting: read('waiting', listOf(limitEntry)),
    deployments: read('deployments', listOf(limitedDeployment)),
    overridable: read('overridable', listOf(text)),
    overrideMinutes: read('override_minutes', number),
    overrides: read('overrides', listOf(override))
  };
}

const override: Parser<IOverride> = (value, path) => {
  const read = reader(value, path);
  return {
    number: read('number', number),
    deploymentId: read('deployment_id', branded<DeploymentId>()),
    control: read('control', text),
    instrument: read('instrument', text),
    units: read('units', number),
    state: read('state', oneOf('waits', 'approved', 'withdrawn', 'used', 'expired')),
    by: read('by', text),
    approvedBy: read('approved_by', text),
    reason: read('reason', text),
    orderId: read('client_order_id', text),
    until: read('until', millis)
  };
};

const control: Parser<IControl> = (value, path) => {
  const read = reader(value, path);
  return { id: read('id', text), title: read('title', text), effect: read('effect', text) };
};

const limitKind: Parser<ILimitKind> = (value, path) => {
  const read = reader(value, path);
  return {
    name: read('name', text),
    control: read('control', text),
    words: read('words', text),
    unit: read('unit', text),
    byDefault: read('default', text)
  };
};

const limitEntry: Parser<ILimitEntry> = (value, path) => {
  const read = reader(value, path);
  return {
    version: read('version', number),
    name: read('name', text),
    control: read('control', text),
    scope: read('scope', text),
    text: read('text', text),
    readable: read('readable', flag),
    by: read('by', text),
    approvedBy: read('approved_by', text),
    reason: read('reason', text),
    at: read('at', millis)
  };
};

const limitedDeployment: Parser<ILimitedDeployment> = (value, path) => {
  const read = reader(value, path);
  return {
    id: read('deployment_id', branded<DeploymentId>()),
    accountId: read('account_id', text),
    instruments: read('instruments', listOf(text)),
    halted: read('halted', text)
  };
};

export function parseFrame(value: unknown): IFrame {
  const read = reader(value, 'frame');
  return {
    seq: read('seq', number),
    status: read('status', status),
    deployments: read('deployments', listOf(deployment)),
    promotions: read('promotions', listOf(promotion)),
    releasesVersion: read('releases_version', text),
    runsVersion: read('runs_version', text)
  };
}

/** The sentence of a refusal; what else came when it has none. */
export function parseRefusal(value: unknown, otherwise: string): string {
  const { error } = (typeof value === 'object' && value !== null ? value : {}) as Fields;
  return typeof error === 'string' && error !== '' ? error : otherwise;
}
