import { nullTranslator } from '@jupyterlab/translation';

import { parseFrame, parseReleases, parseRuns } from '../parse';
import type { IState } from '../tokens';

export const trans = nullTranslator.load('workbench');

export const RELEASE_ID = 'ab'.repeat(32);

/** What the server sends, as `openapi.yaml` describes it. */
export function rawFrame(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    seq: 1,
    status: {
      gateway: { state: 'running', detail: 'The gateway answers.' },
      supervisor: { state: 'running', detail: 'The supervisor answers.' },
      mode: 'PAPER',
      kills: [],
      monitor_url: 'http://127.0.0.1:8866/voila/render/monitor.ipynb',
      as_of: null
    },
    deployments: [rawDeployment()],
    promotions: [],
    releases_version: '1',
    runs_version: '1',
    ...values
  };
}

export function rawDeployment(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'sma-cross-1a2b3c4d',
    release_id: RELEASE_ID,
    release_name: 'sma_cross',
    account_id: 'paper-1',
    broker: 'paper',
    currency: 'USD',
    desired: 'running',
    state: 'running',
    detail: 'Trades.',
    restarts: 0,
    opening_balance: '100000.000000',
    equity: '100245.259999',
    profit: '245.259999',
    positions: [
      { instrument: 'EUR_USD', units: 20000, average_price: '1.09213', unrealized: '124.750000' }
    ],
    last_decision: {
      at: 1494252000000,
      orders: [{ instrument: 'EUR_USD', units: 20000, reduce_only: false }]
    },
    market_time: 1494252000000,
    data_age_s: 2.0,
    killed: '',
    ...values
  };
}

export function rawRelease(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: RELEASE_ID,
    name: 'sma_cross',
    run_id: 'run-1',
    author: 'sarah',
    created: 1494252000000,
    approval: 'waiting',
    approvals: [],
    gates: [
      { name: 'complete', title: 'Notebook complete', state: 'passed', detail: '9 cells ran.' },
      { name: 'limits', title: 'Limits set', state: 'passed', detail: '8 limits.' }
    ],
    strategy: 'SmaCross',
    instruments: ['EUR_USD'],
    timeframe: 'H1',
    ...values
  };
}

export function rawRun(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'run-1',
    name: 'first idea',
    experiment: 'workbench',
    status: 'finished',
    started: 1494252000000,
    notebook: 'notebooks/sma_cross.ipynb',
    author: 'sarah',
    candidate: true,
    trials: 42,
    metrics: { sharpe: 1.23456, max_drawdown: null, other: 3 },
    ...values
  };
}

export function rawPromotion(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'p-1',
    subject: 'run-1',
    by: 'sarah',
    state: 'running',
    gates: [
      { name: 'complete', title: 'Notebook complete', state: 'passed', detail: '9 cells ran.' },
      { name: 'limits', title: 'Limits set', state: 'waiting', detail: '' }
    ],
    detail: 'The gates are asked.',
    release_id: null,
    begun: 1,
    ended: null,
    ...values
  };
}

export function state(values: Partial<IState> = {}, frame = rawFrame()): IState {
  const { status, deployments, promotions } = parseFrame(frame);
  return {
    connection: 'open',
    receivedAt: 1_000_000,
    me: { user: 'sarah', role: 'admin', verbs: ['stop', 'kill'], soleUser: true },
    status,
    deployments,
    promotions,
    releases: parseReleases({ releases: [rawRelease()] }),
    runs: parseRuns({ runs: [rawRun()] }),
    error: '',
    ...values
  };
}

export function rawLimitEntry(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: 5,
    name: 'max_order_units',
    control: 'R04',
    scope: 'firm',
    text: '100,000',
    readable: true,
    by: 'workbench',
    approved_by: '',
    reason: 'as shipped',
    at: 1494252000000,
    ...values
  };
}

export function rawLimitTable(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: 37,
    second_person: true,
    controls: [
      { id: 'R04', title: 'Largest order', effect: 'denied' },
      { id: 'R12', title: 'Daily loss', effect: 'only orders that reduce until 17:00 New York' }
    ],
    limits: [
      {
        name: 'max_order_units',
        control: 'R04',
        words: 'order units',
        unit: 'units of the base currency',
        default: '100,000'
      },
      {
        name: 'max_daily_loss_ppm',
        control: 'R12',
        words: 'daily loss',
        unit: 'millionths of equity',
        default: '2 %'
      }
    ],
    in_force: [
      rawLimitEntry(),
      rawLimitEntry({ version: 16, name: 'max_daily_loss_ppm', control: 'R12', text: '2 %' }),
      rawLimitEntry({ version: 38, scope: 'account:paper-1', text: '', readable: false })
    ],
    waiting: [],
    deployments: [
      {
        deployment_id: 'sma-cross-1a2b3c4d',
        account_id: 'paper-1',
        instruments: ['EUR_USD'],
        halted: '',
        release: { max_order_units: '100,000' }
      }
    ],
    overridable: ['R07', 'R08'],
    override_minutes: 0,
    overrides: [],
    ...values
  };
}

export function rawOverride(values: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    number: 1,
    deployment_id: 'sma-cross-1a2b3c4d',
    control: 'R08',
    instrument: 'EUR_USD',
    units: -5000,
    minutes: 10,
    client_order_id: '',
    state: 'waits',
    by: 'david',
    approved_by: '',
    reason: 'a last leg',
    at: 1_700_000_000_000,
    until: 1_700_000_600_000,
    ...values
  };
}
