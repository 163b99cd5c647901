import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import axe from 'axe-core';
import * as React from 'react';

import { IPanelActions, Panel } from '../components/Panel';
import { PromoteForm } from '../components/PromoteForm';
import { StatusItem } from '../components/StatusItem';
import { parsePromotion, parseReleases, parseRuns } from '../parse';
import type { IPromoteRequest, IState } from '../tokens';
import {
  rawDeployment,
  rawFrame,
  rawPromotion,
  rawRelease,
  rawRun,
  RELEASE_ID,
  state,
  trans
} from './examples';

const RECEIVED = 1_000_000;

function actions(): { done: unknown[][]; actions: IPanelActions } {
  const done: unknown[][] = [];
  const note =
    (name: string) =>
    (...given: unknown[]): void => {
      done.push([name, ...given.filter(item => typeof item === 'string')]);
    };
  return {
    done,
    actions: {
      onPromote: note('promote'),
      onApprove: note('approve'),
      onDeploy: note('deploy'),
      onStop: note('stop'),
      onStart: note('start'),
      onKill: note('kill'),
      onUnkill: note('unkill'),
      onRefresh: note('refresh'),
      onMonitor: note('monitor'),
      onLimits: note('limits')
    }
  };
}

function show(
  shown: IState,
  { may = () => true, afterS = 0 }: { may?: (verb: string) => boolean; afterS?: number } = {}
): {
  done: unknown[][];
  container: HTMLElement;
} {
  const noted = actions();
  const { container } = render(
    <Panel
      state={shown}
      may={may}
      now={RECEIVED + 1_000 * afterS}
      staleAfterS={60}
      actions={noted.actions}
      trans={trans}
    />
  );
  return { done: noted.done, container };
}

async function problemsOf(container: HTMLElement): Promise<string[]> {
  const found = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } }
  });
  return found.violations.map(item => `${item.id}: ${item.nodes.map(node => node.html).join(' ')}`);
}

beforeAll(() => {
  jest.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null); // jsdom draws nothing
});

afterEach(cleanup);

describe('the panel', () => {
  it('shows what a deployment holds, decided and how old that is', () => {
    show(state(), { afterS: 3 });
    const card = screen.getByRole('article', { name: 'Deployment sma-cross-1a2b3c4d' });
    for (const said of [
      'running',
      '100,245.25 USD',
      '+245.25 USD',
      'long 20,000 EUR_USD at 1.09213',
      'buy 20,000 EUR_USD, at the bar of 2017-05-08 14:00 UTC',
      '(5 s ago)'
    ]) {
      expect(card.textContent).toContain(said);
    }
  });

  it('calls data stale in words once it is old', () => {
    show(state(), { afterS: 10 });
    expect(screen.queryByText(/stale/)).toBeNull();
    cleanup();
    show(state({}, rawFrame({ deployments: [rawDeployment({ data_age_s: 120 })] })), { afterS: 4 });
    expect(screen.getByText(/stale: 2 min ago/)).toBeTruthy();
  });

  it('alerts when the connection is lost or falls silent, and greys what it shows', () => {
    for (const [shown, afterS] of [
      [state({ connection: 'closed' }), 1],
      [state(), 16]
    ] as const) {
      const { container } = show(shown, { afterS });
      expect(screen.getByRole('alert').textContent).toContain('Not connected');
      expect(container.querySelector('.wb-old')).not.toBeNull();
      cleanup();
    }
    const { container } = show(state(), { afterS: 14 });
    expect(screen.getByRole('alert').textContent).toBe('');
    expect(container.querySelector('.wb-old')).toBeNull();
  });

  it('alerts when the gateway is stopped, with how to start it', () => {
    const gateway = { state: 'stopped', detail: 'Start it with workbench up.' };
    show(state({}, rawFrame({ status: { ...(rawFrame()['status'] as object), gateway } })));
    expect(screen.getByRole('alert').textContent).toContain(
      'Gateway stopped Start it with workbench up.'
    );
  });

  it('acts by its buttons, each of them a real one', () => {
    const releases = parseReleases({
      releases: [rawRelease(), rawRelease({ id: 'cd'.repeat(32), approval: 'approved' })]
    });
    const { done } = show(state({ releases }));
    for (const name of [
      'Kill all…',
      'Monitor',
      'Refresh',
      'Stop…',
      'Decide…',
      'Deploy…',
      'Promote run first idea'
    ]) {
      fireEvent.click(screen.getByRole('button', { name }));
    }
    expect(done).toEqual([
      ['kill'],
      ['monitor'],
      ['refresh'],
      ['stop', 'sma-cross-1a2b3c4d'],
      ['approve', RELEASE_ID],
      ['deploy', 'cd'.repeat(32)],
      ['promote', 'run-1']
    ]);
  });

  it('starts again what was stopped, and only that', () => {
    const deployments = ['stopped', 'failed', 'finished', 'running'].map(found =>
      rawDeployment({ id: found, state: found })
    );
    const { done } = show(state({}, rawFrame({ deployments })));
    screen
      .getAllByRole('button', { name: 'Start again' })
      .forEach(button => fireEvent.click(button));
    expect(done).toEqual([
      ['start', 'stopped'],
      ['start', 'failed']
    ]);
  });

  it('disables what the role may not do', () => {
    show(state(), { may: verb => verb === 'stop' });
    const disabled = screen
      .getAllByRole<HTMLButtonElement>('button')
      .filter(button => button.disabled)
      .map(button => button.textContent);
    expect(disabled).toEqual(['Kill all…', 'Decide…', 'Promote…']);
  });

  it('shows text of strangers as text', () => {
    const evil = '<img src=x onerror="alert(1)">';
    const { container } = show(
      state({
        releases: parseReleases({ releases: [rawRelease({ name: evil, author: evil })] }),
        runs: parseRuns({ runs: [rawRun({ name: evil, notebook: evil })] })
      })
    );
    expect(container.querySelector('img')).toBeNull();
    expect(container.textContent).toContain(evil);
  });

  it('says so when there is nothing yet', () => {
    show(state({ deployments: [], releases: [], runs: [] }));
    for (const said of [/Nothing is deployed/, /No release yet/, /No run yet/]) {
      expect(screen.getByText(said)).toBeTruthy();
    }
  });

  it('has no accessibility problem that axe finds', async () => {
    const { container } = show(
      state(
        {},
        rawFrame({
          promotions: [rawPromotion()],
          deployments: [
            rawDeployment(),
            rawDeployment({ id: 'b', state: 'failed', killed: 'david: test' })
          ]
        })
      )
    );
    expect(await problemsOf(container)).toEqual([]);
  });
});

describe('the status item', () => {
  it.each([
    ['running', '✓Gateway running'],
    ['stopped', '✕Gateway stopped'],
    ['killed', '✕Gateway killed']
  ])('says in words that the gateway is %s and whose money it is', (found, said) => {
    const gateway = { state: found, detail: 'why' };
    const frame = rawFrame({
      status: { ...(rawFrame()['status'] as object), gateway, mode: 'LIVE' }
    });
    render(<StatusItem state={state({}, frame)} onClick={() => undefined} trans={trans} />);
    expect(screen.getByRole('button').textContent).toBe(`${said}LIVE`);
    expect(screen.getByRole('button').title).toBe('why');
  });

  it('does not claim to know without a connection', () => {
    render(
      <StatusItem state={state({ connection: 'closed' })} onClick={() => undefined} trans={trans} />
    );
    expect(screen.getByRole('button').textContent).toContain('Gateway unknown');
  });
});

describe('the promotion', () => {
  function form(values: Partial<React.ComponentProps<typeof PromoteForm>> = {}): {
    asked: IPromoteRequest[];
    container: HTMLElement;
  } {
    const asked: IPromoteRequest[] = [];
    const { container } = render(
      <PromoteForm
        notebook="notebooks/sma_cross.ipynb"
        unsaved={false}
        candidates={parseRuns({ runs: [rawRun()] })}
        chosen={null}
        promotion={null}
        mayPromote={true}
        problem=""
        onPromote={request => asked.push(request)}
        trans={trans}
        {...values}
      />
    );
    return { asked, container };
  }

  it('asks the gates for the notebook as it is saved, or for a run of it', () => {
    const { asked } = form();
    fireEvent.click(screen.getByRole('button', { name: 'Ask the gates' }));
    fireEvent.change(screen.getByLabelText('Promote'), { target: { value: 'run-1' } });
    fireEvent.click(screen.getByRole('button', { name: 'Ask the gates' }));
    expect(asked).toEqual([{ notebook: 'notebooks/sma_cross.ipynb' }, { runId: 'run-1' }]);
  });

  it('warns that what is not saved is not promoted', () => {
    form({ unsaved: true });
    expect(screen.getByText(/changes that are not saved/)).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Promote'), { target: { value: 'run-1' } });
    expect(screen.queryByText(/changes that are not saved/)).toBeNull();
  });

  it('takes limits only when all of them are there', () => {
    const { asked } = form();
    fireEvent.click(screen.getByRole('checkbox'));
    const button = screen.getByRole<HTMLButtonElement>('button', { name: 'Ask the gates' });
    expect(button.disabled).toBe(true);
    expect(screen.getByRole('alert').textContent).toContain(
      'Largest order: expected a number above 0'
    );
    const group = within(screen.getByRole('group', { name: 'Limits' }));
    group
      .getAllByRole('textbox')
      .slice(1)
      .forEach(input => {
        fireEvent.change(input, { target: { value: '5' } });
      });
    fireEvent.click(button);
    expect(asked[0]?.limits).toMatchObject({ instruments: ['EUR_USD'], max_daily_loss: 5_000_000 });
  });

  it('shows the gates one by one with what they found', () => {
    form({ promotion: parsePromotion(rawPromotion()) });
    const gates = screen.getAllByRole('listitem').map(item => item.textContent);
    expect(gates).toEqual(['Notebook complete✓passed9 cells ran.', 'Limits set○waiting']);
    expect(screen.getByRole('status').textContent).toContain('running The gates are asked.');
    expect(screen.getByRole('progressbar').getAttribute('value')).toBe('1');
  });

  it('tells which release came of it', () => {
    const ended = rawPromotion({
      state: 'promoted',
      release_id: RELEASE_ID,
      detail: 'Release waits.'
    });
    form({ promotion: parsePromotion(ended) });
    expect(screen.getByText(`Release ${RELEASE_ID.slice(0, 12)} waits for approval.`)).toBeTruthy();
  });

  it('has no accessibility problem that axe finds', async () => {
    const { container } = form();
    fireEvent.click(screen.getByRole('checkbox'));
    expect(await problemsOf(container)).toEqual([]);
  });
});
