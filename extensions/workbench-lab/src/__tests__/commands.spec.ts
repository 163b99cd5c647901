import { CommandRegistry } from '@lumino/commands';

import { addCommands, ICommandParts } from '../commands';
import type { IDialogs } from '../dialogs';
import { parseDone, parseFrame, parseRelease, parseReleases, parseRuns } from '../parse';
import { CommandIDs, IApi, IState, IWorkbench, ReleaseId } from '../tokens';
import { rawDeployment, rawFrame, rawRelease, rawRun, RELEASE_ID, state, trans } from './examples';

const DEPLOYMENT = 'sma-cross-1a2b3c4d';

class FakeWorkbench implements IWorkbench {
  calls: unknown[][] = [];
  verbs: readonly string[] = ['promote', 'approve', 'deploy', 'stop', 'kill', 'unkill'];
  refusal: Error | null = null;
  current: IState = state();

  get state(): IState {
    return this.current;
  }

  readonly api = {
    accounts: () => Promise.resolve({ accounts: [], sources: [] }),
    approve: (request: unknown) =>
      this.call(parseRelease(rawRelease({ approval: 'approved' })), request),
    deploy: (request: unknown) => this.call(parseDone({ said: 'Deployed.' }), request),
    stop: (...given: unknown[]) => this.call(parseDone({ said: 'Stopped.' }), ...given),
    start: (...given: unknown[]) => this.call(parseDone({ said: 'Starts again.' }), ...given),
    kill: (...given: unknown[]) => this.call(parseDone({ said: 'Killed.' }), ...given),
    unkill: (...given: unknown[]) => this.call(parseDone({ said: 'Released.' }), ...given)
  } as unknown as IApi;

  subscribe(): () => void {
    return () => undefined;
  }

  may(verb: string): boolean {
    return this.verbs.includes(verb);
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  private call<T>(answer: T, ...given: unknown[]): Promise<T> {
    this.calls.push(given);
    return this.refusal === null ? Promise.resolve(answer) : Promise.reject(this.refusal);
  }
}

class FakeDialogs implements IDialogs {
  said: string[] = [];
  problems: string[] = [];
  promoted: unknown[][] = [];
  reason: string | null = 'odd prices';
  confirmed = true;
  sure = true;

  promote(...given: unknown[]): Promise<void> {
    this.promoted.push(given);
    return Promise.resolve();
  }
  approve: IDialogs['approve'] = (_, chosen) =>
    Promise.resolve(this.sure ? { releaseId: chosen, decision: 'approved', reason: 'read' } : null);
  deploy: IDialogs['deploy'] = (_, __, chosen) =>
    Promise.resolve(this.sure ? { releaseId: chosen, accountId: 'paper-1', feed: null } : null);
  stop: IDialogs['stop'] = (_, chosen) =>
    Promise.resolve(this.sure ? { id: chosen, flatten: true } : null);
  killReason = (): Promise<string | null> => Promise.resolve(this.reason);
  killConfirmed = (): Promise<boolean> => Promise.resolve(this.confirmed);
  unkillReason = (): Promise<string | null> => Promise.resolve(this.reason);
  done(sentence: string): void {
    this.said.push(sentence);
  }
  failed(sentence: string): void {
    this.problems.push(sentence);
  }
}

function made(notebook = ''): {
  commands: CommandRegistry;
  workbench: FakeWorkbench;
  dialogs: FakeDialogs;
  opened: string[];
} {
  const commands = new CommandRegistry();
  const workbench = new FakeWorkbench();
  const dialogs = new FakeDialogs();
  const opened: string[] = [];
  addCommands({
    commands,
    workbench,
    dialogs,
    trans,
    notebook: () => ({ path: notebook, unsaved: true }),
    showPanel: () => undefined,
    openPage: url => opened.push(url),
    openLimits: () => opened.push('limits'),
    icons: {} as ICommandParts['icons']
  });
  return { commands, workbench, dialogs, opened };
}

describe('commands', () => {
  it('have a label, a caption and a description of their arguments, each of them', async () => {
    const { commands } = made();
    for (const id of Object.values(CommandIDs)) {
      expect(commands.label(id)).not.toBe('');
      expect(commands.caption(id)).not.toBe('');
      expect((await commands.describedBy(id)).args).toMatchObject({ type: 'object' });
    }
  });

  it('kill only after two answers', async () => {
    const { commands, workbench, dialogs } = made();
    dialogs.confirmed = false;
    await commands.execute(CommandIDs.killAll);
    dialogs.reason = null;
    dialogs.confirmed = true;
    await commands.execute(CommandIDs.killAll);
    expect(workbench.calls).toEqual([]);
    dialogs.reason = 'odd prices';
    await commands.execute(CommandIDs.killAll);
    expect(workbench.calls).toEqual([['all', 'odd prices']]);
    expect(dialogs.said).toEqual(['Killed.']);
  });

  it('do nothing when a person rather would not', async () => {
    const { commands, workbench, dialogs } = made();
    dialogs.sure = false;
    workbench.current = state({
      releases: parseReleases({ releases: [rawRelease(), rawRelease({ approval: 'approved' })] })
    });
    await commands.execute(CommandIDs.approve);
    await commands.execute(CommandIDs.deploy);
    await commands.execute(CommandIDs.stop);
    expect([workbench.calls, dialogs.said, dialogs.problems]).toEqual([[], [], []]);
  });

  it('act on what was chosen and say what happened', async () => {
    const { commands, workbench, dialogs } = made();
    await commands.execute(CommandIDs.approve, { releaseId: RELEASE_ID });
    workbench.current = state({
      releases: parseReleases({ releases: [rawRelease({ approval: 'approved' })] })
    });
    await commands.execute(CommandIDs.deploy, {});
    await commands.execute(CommandIDs.stop, { deploymentId: DEPLOYMENT });
    expect(workbench.calls).toEqual([
      [{ releaseId: RELEASE_ID as ReleaseId, decision: 'approved', reason: 'read' }],
      [{ releaseId: RELEASE_ID as ReleaseId, accountId: 'paper-1', feed: null }],
      [DEPLOYMENT, true]
    ]);
    expect(dialogs.said).toEqual(['sma_cross is approved.', 'Deployed.', 'Stopped.']);
  });

  it('start again a deployment that was stopped', async () => {
    const { commands, workbench, dialogs } = made();
    workbench.verbs = ['start'];
    expect(commands.isEnabled(CommandIDs.start)).toBe(false);
    workbench.current = state({}, rawFrame({ deployments: [rawDeployment({ state: 'stopped' })] }));
    expect(commands.isEnabled(CommandIDs.start)).toBe(true);
    await commands.execute(CommandIDs.start);
    expect([workbench.calls, dialogs.said]).toEqual([[[DEPLOYMENT]], ['Starts again.']]);
  });

  it('tell why the server refused', async () => {
    const { commands, workbench, dialogs } = made();
    workbench.refusal = new Error('no gateway answers');
    await commands.execute(CommandIDs.killAll);
    expect(dialogs.problems).toEqual(['no gateway answers']);
  });

  it('are enabled by the role and by there being something to act on', () => {
    const { commands, workbench } = made();
    const enabled = (): string[] => Object.values(CommandIDs).filter(id => commands.isEnabled(id));
    expect(enabled()).not.toContain(CommandIDs.deploy);
    expect(enabled()).not.toContain(CommandIDs.unkillAll);
    workbench.current = state(
      { releases: [] },
      rawFrame({
        deployments: [rawDeployment({ state: 'finished' })],
        status: {
          ...(rawFrame()['status'] as object),
          kills: [{ scope: 'all', by: 'david', reason: 'test', at: null }]
        }
      })
    );
    expect(enabled()).toContain(CommandIDs.unkillAll);
    expect(enabled()).not.toContain(CommandIDs.stop);
    expect(enabled()).not.toContain(CommandIDs.approve);
    workbench.verbs = [];
    expect(enabled()).toEqual([CommandIDs.showPanel, CommandIDs.refresh, CommandIDs.openMonitor]);
  });

  it('promote the candidates of the notebook at hand, or the run that was chosen', async () => {
    const { commands, workbench, dialogs } = made('notebooks/sma_cross.ipynb');
    const runs = parseRuns({
      runs: [
        rawRun(),
        rawRun({ id: 'run-2', notebook: 'notebooks/breakout.ipynb' }),
        rawRun({ id: 'run-3', candidate: false })
      ]
    });
    workbench.current = state({ runs });
    await commands.execute(CommandIDs.promote);
    await commands.execute(CommandIDs.promote, { runId: 'run-2' });
    expect(dialogs.promoted).toEqual([
      [
        {
          notebook: 'notebooks/sma_cross.ipynb',
          unsaved: true,
          candidates: [runs[0]],
          chosen: null
        }
      ],
      [{ notebook: '', unsaved: false, candidates: [runs[0], runs[1]], chosen: 'run-2' }]
    ]);
  });

  it('open the monitor where the server says it is', async () => {
    const { commands, opened } = made();
    await commands.execute(CommandIDs.openMonitor);
    expect(opened).toEqual([parseFrame(rawFrame()).status.monitorUrl]);
  });
});
