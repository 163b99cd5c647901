import { IClock, WorkbenchModel } from '../model';
import { parseFrame, parseReleases, parseRuns } from '../parse';
import type { IApi, IMe, IStreamListener } from '../tokens';
import { rawFrame, rawRelease, rawRun } from './examples';

const ME: IMe = {
  user: 'alex',
  role: 'operator',
  verbs: ['kill', 'status', 'stop'],
  soleUser: false
};

class FakeClock implements IClock {
  waits: number[] = [];
  private actions: (() => void)[] = [];

  now(): number {
    return 5_000;
  }

  later(action: () => void, ms: number): () => void {
    this.waits.push(ms);
    this.actions.push(action);
    return () => {
      this.actions = [];
    };
  }

  ring(): void {
    const due = this.actions;
    this.actions = [];
    due.forEach(action => {
      action();
    });
  }
}

class FakeServer {
  listener: IStreamListener | null = null;
  opened = 0;
  asked: string[] = [];
  refusal: Error | null = null;

  readonly api = {
    me: () => this.answer('me', ME),
    releases: () => this.answer('releases', parseReleases({ releases: [rawRelease()] })),
    runs: () => this.answer('runs', parseRuns({ runs: [rawRun()] })),
    openStream: (listener: IStreamListener) => {
      this.opened += 1;
      this.listener = listener;
      return { close: () => undefined };
    }
  } as unknown as IApi;

  private answer<T>(name: string, value: T): Promise<T> {
    this.asked.push(name);
    return this.refusal === null ? Promise.resolve(value) : Promise.reject(this.refusal);
  }
}

async function settled(): Promise<void> {
  await new Promise(resolve => {
    setTimeout(resolve, 0);
  });
}

function started(): { server: FakeServer; clock: FakeClock; model: WorkbenchModel } {
  const server = new FakeServer();
  const clock = new FakeClock();
  const model = new WorkbenchModel(server.api, clock);
  model.start();
  return { server, clock, model };
}

describe('the live state', () => {
  it('comes by the stream, and lists are loaded when it says they changed', async () => {
    const { server, model } = started();
    server.listener!.onOpen();
    server.listener!.onFrame(parseFrame(rawFrame()));
    await settled();
    expect(server.asked.sort()).toEqual(['me', 'releases', 'runs']);
    expect(model.state).toMatchObject({ connection: 'open', receivedAt: 5_000, me: ME, error: '' });
    expect(model.state.deployments).toHaveLength(1);

    server.asked = [];
    server.listener!.onFrame(parseFrame(rawFrame({ seq: 2 })));
    server.listener!.onFrame(parseFrame(rawFrame({ seq: 3, releases_version: '2' })));
    await settled();
    expect(server.asked).toEqual(['releases']);
  });

  it('stays to be seen when the connection is lost, and is asked for ever more slowly', () => {
    const { server, clock, model } = started();
    server.listener!.onFrame(parseFrame(rawFrame()));
    for (let attempt = 0; attempt < 7; attempt += 1) {
      server.listener!.onClose();
      expect(model.state.connection).toBe('closed');
      clock.ring();
    }
    expect(model.state.deployments).toHaveLength(1);
    expect(clock.waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    expect(server.opened).toBe(8);
    server.listener!.onOpen();
    server.listener!.onClose();
    expect(clock.waits.slice(-1)).toEqual([1000]);
  });

  it('lets nobody act while it is not connected or the role has not the verb', async () => {
    const { server, model } = started();
    expect(model.may('stop')).toBe(false);
    server.listener!.onOpen();
    server.listener!.onFrame(parseFrame(rawFrame()));
    await settled();
    expect([model.may('stop'), model.may('approve')]).toEqual([true, false]);
    server.listener!.onClose();
    expect(model.may('stop')).toBe(false);
  });

  it('says what could not be loaded', async () => {
    const { server, model } = started();
    server.refusal = new Error('eve is without a role here');
    server.listener!.onOpen();
    await settled();
    expect(model.state.error).toBe('eve is without a role here');
    server.listener!.onProblem('frame.seq: expected a number');
    expect(model.state.error).toBe('frame.seq: expected a number');
  });

  it('tells nobody any more after it was disposed', () => {
    const { server, model } = started();
    const told = jest.fn();
    model.subscribe(told);
    model.dispose();
    server.listener!.onFrame(parseFrame(rawFrame()));
    expect(told).not.toHaveBeenCalled();
  });
});
