import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import axe from 'axe-core';
import * as React from 'react';

import { ILimitsEditorProps, LimitsEditor } from '../components/LimitsEditor';
import { parseLimitTable } from '../parse';
import { rawLimitEntry, rawLimitTable, rawOverride, trans } from './examples';

const WAITING = {
  waiting: [rawLimitEntry({ version: 39, text: '200,000', by: 'david', reason: 'a larger book' })]
};

function show(
  values: Record<string, unknown> = {},
  props: Partial<ILimitsEditorProps> = {}
): { done: unknown[][]; container: HTMLElement; again: (version: number) => void } {
  const done: unknown[][] = [];
  const editor = (table: Record<string, unknown>): React.JSX.Element => (
    <LimitsEditor
      table={parseLimitTable(rawLimitTable(table))}
      mayChange={true}
      mayResume={true}
      mayOverride={true}
      user="sarah"
      askName={false}
      said=""
      problem=""
      onSet={change => done.push(['set', change])}
      onDecide={decision => done.push(['decide', decision])}
      onAskOverride={wish => done.push(['ask', wish])}
      onDecideOverride={decision => done.push(['override', decision])}
      onResume={id => done.push(['resume', id])}
      onRefresh={() => done.push(['refresh'])}
      trans={trans}
      {...props}
    />
  );
  const { container, rerender } = render(editor(values));
  return {
    done,
    container,
    again: version => {
      rerender(editor({ ...values, version }));
    }
  };
}

async function problemsOf(container: HTMLElement): Promise<string[]> {
  const found = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } }
  });
  return found.violations.map(item => `${item.id}: ${item.nodes.map(node => node.html).join(' ')}`);
}

function type(label: string, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

beforeAll(() => {
  jest.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null); // jsdom draws nothing
});

afterEach(cleanup);

describe('the table of limits', () => {
  it('shows each scope with its limits, units and who set them', () => {
    show();
    const firm = screen.getByRole('table', { name: 'Limits of firm' });
    expect(within(firm).getAllByRole('row')).toHaveLength(3);
    expect(within(firm).getByRole('rowheader', { name: 'max_daily_loss_ppm' })).toBeTruthy();
    expect(firm.textContent).toContain('2 %');
    expect(firm.textContent).toContain('% of equity');
  });

  it('says of a limit that can not be read that it passes nothing', () => {
    show();
    const account = screen.getByRole('table', { name: 'Limits of account:paper-1' });
    expect(account.textContent).toContain('not readable: passes nothing');
  });

  it('has no fault that a screen reader would stumble over', async () => {
    const { container } = show(WAITING, { said: 'done', problem: 'not done', askName: true });
    fireEvent.click(screen.getByRole('button', { name: 'Change max_order_units of firm' }));
    expect(await problemsOf(container)).toEqual([]);
  });

  it('lets only those change who may', () => {
    show(WAITING, { mayChange: false });
    for (const name of [/^Change /, /^Approve /, /^Withdraw /]) {
      for (const button of screen.getAllByRole('button', { name })) {
        expect(button).toHaveProperty('disabled', true);
      }
    }
    expect(screen.queryByLabelText('Reason for the decision')).toBeNull();
  });
});

describe('changing a limit', () => {
  it('asks for a value and a reason, by keyboard alone', () => {
    const { done } = show();
    fireEvent.click(screen.getByRole('button', { name: 'Change max_daily_loss_ppm of firm' }));
    expect(document.activeElement).toBe(screen.getByLabelText('Value'));
    type('Value', '1.5 %');
    type('Reason', 'a rough week');
    fireEvent.submit(screen.getByRole('form', { name: 'Change a limit' }));
    const change = {
      name: 'max_daily_loss_ppm',
      scope: 'firm',
      text: '1.5 %',
      reason: 'a rough week'
    };
    expect(done).toEqual([['set', change]]);
  });

  it('is left by Escape and closes when the table has it', () => {
    const { again } = show();
    const open = (): void => {
      fireEvent.click(screen.getByRole('button', { name: 'Change max_order_units of firm' }));
    };
    open();
    fireEvent.keyDown(screen.getByLabelText('Value'), { key: 'Escape' });
    expect(screen.queryByRole('form')).toBeNull();
    open();
    expect(screen.queryByRole('form')).not.toBeNull();
    again(38);
    expect(screen.queryByRole('form')).toBeNull();
  });

  it('takes another scope, and a name where one login serves everybody', () => {
    const { done } = show({}, { askName: true });
    fireEvent.click(screen.getByRole('button', { name: 'Set a limit in another scope…' }));
    fireEvent.change(screen.getByLabelText('Limit'), { target: { value: 'max_order_units' } });
    type('Scope', 'instrument:EUR_USD');
    type('Value', '5000');
    type('Reason', 'thin');
    type('Who asks for it', 'david');
    fireEvent.submit(screen.getByRole('form', { name: 'Change a limit' }));
    expect(done).toEqual([
      [
        'set',
        {
          name: 'max_order_units',
          scope: 'instrument:EUR_USD',
          text: '5000',
          reason: 'thin',
          person: 'david'
        }
      ]
    ]);
  });
});

describe('a change that waits for a second person', () => {
  it('shows what it is now and what it would be, and is approved with a reason', () => {
    const { done } = show(WAITING);
    const card = screen.getByRole('region', { name: 'Changes that wait for a second person' });
    expect(card.textContent).toContain('max_order_units · firm: 100,000 → 200,000');
    expect(card.textContent).toContain('a larger book');
    const approve = screen.getByRole('button', { name: 'Approve change 39' });
    expect(approve).toHaveProperty('disabled', true);
    type('Reason for the decision', 'seen');
    fireEvent.click(approve);
    expect(done).toEqual([['decide', { action: 'approve', version: 39, reason: 'seen' }]]);
  });

  it.each(['david', 'David', 'DÁVID'])('can not be approved by who asked for it: %s', user => {
    const { done } = show(WAITING, { user });
    type('Reason for the decision', 'mine');
    expect(screen.getByRole('button', { name: 'Approve change 39' })).toHaveProperty(
      'disabled',
      true
    );
    expect(screen.getByText('Another person has to approve it.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Withdraw change 39' }));
    expect(done).toEqual([['decide', { action: 'withdraw', version: 39, reason: 'mine' }]]);
  });
});

describe('overrides', () => {
  const region = (): HTMLElement => screen.getByRole('region', { name: 'Overrides' });

  it('say that they are off, and what would let people ask', () => {
    show();
    expect(region().textContent).toContain('Off: raising max_override_minutes of firm');
    expect(screen.queryByRole('button', { name: 'Ask for an override…' })).toBeNull();
  });

  it('are asked for with a side, a control of those that may be passed and a reason', () => {
    const { done } = show({ override_minutes: 10 });
    expect(region().textContent).toContain('Nobody has asked for one.');
    fireEvent.click(screen.getByRole('button', { name: 'Ask for an override…' }));
    expect(document.activeElement).toBe(screen.getByLabelText('Deployment'));
    fireEvent.change(screen.getByLabelText('Control to pass'), { target: { value: 'R08' } });
    fireEvent.change(screen.getByLabelText('Side'), { target: { value: 'sell' } });
    type('Most units', '5,000');
    type('Reason', 'a last leg');
    fireEvent.submit(screen.getByRole('form', { name: 'Ask for an override' }));
    const wish = {
      deploymentId: 'sma-cross-1a2b3c4d',
      control: 'R08',
      instrument: 'EUR_USD',
      units: -5000,
      minutes: 5,
      reason: 'a last leg'
    };
    expect(done).toEqual([['ask', wish]]);
    fireEvent.keyDown(screen.getByLabelText('Most units'), { key: 'Escape' });
    expect(screen.queryByRole('form')).toBeNull();
  });

  it('are signed by another person, with a reason', () => {
    const { done } = show({ override_minutes: 10, overrides: [rawOverride()] });
    expect(region().textContent).toContain('sell up to 5,000 of EUR_USD by sma-cross-1a2b3c4d');
    expect(region().textContent).toContain('asked by david: a last leg');
    const approve = screen.getByRole('button', { name: 'Approve override 1' });
    expect(approve).toHaveProperty('disabled', true);
    type('Reason for the decision', 'seen');
    fireEvent.click(approve);
    expect(done).toEqual([['override', { action: 'approve', number: 1, reason: 'seen' }]]);
  });

  it('can not be signed by who asked, whose they are to withdraw', () => {
    const { done } = show({ overrides: [rawOverride()] }, { user: 'sarah', askName: true });
    type('Reason for the decision', 'mine');
    type('Who decides', 'Dávid');
    expect(screen.getByRole('button', { name: 'Approve override 1' })).toHaveProperty(
      'disabled',
      true
    );
    fireEvent.click(screen.getByRole('button', { name: 'Withdraw override 1' }));
    const decision = { action: 'withdraw', number: 1, reason: 'mine', person: 'Dávid' };
    expect(done).toEqual([['override', decision]]);
  });

  it('that are over show how they ended and offer nothing', () => {
    const overrides = [
      rawOverride({ number: 1, state: 'used', approved_by: 'sarah', client_order_id: 'order-7' }),
      rawOverride({ number: 2, state: 'expired' }),
      rawOverride({ number: 3, state: 'approved', approved_by: 'sarah' })
    ];
    show({ override_minutes: 10, overrides });
    expect(region().textContent).toContain('approved by sarah · used by order order-7');
    expect(region().textContent).toContain('expired');
    expect(screen.queryByRole('button', { name: /^Approve override/ })).toBeNull();
    expect(screen.getAllByRole('button', { name: /^Withdraw override/ })).toHaveLength(1);
  });

  it('are looked at only by who may not decide, without a fault for a screen reader', async () => {
    const values = { override_minutes: 10, overrides: [rawOverride()] };
    show(values, { mayOverride: false });
    expect(screen.queryByRole('button', { name: 'Ask for an override…' })).toBeNull();
    expect(screen.getByRole('button', { name: 'Withdraw override 1' })).toHaveProperty(
      'disabled',
      true
    );
    cleanup();
    const { container } = show(values);
    fireEvent.click(screen.getByRole('button', { name: 'Ask for an override…' }));
    expect(await problemsOf(container)).toEqual([]);
  });
});

describe('a halted deployment', () => {
  it('says why and is let on by who may', () => {
    const halted = 'R13 drawdown in millionths of the peak: limit 100000, observed 100001';
    const deployment = {
      deployment_id: 'd-1',
      account_id: 'paper-1',
      instruments: ['EUR_USD'],
      halted,
      release: {}
    };
    const { done, container } = show({ deployments: [deployment] });
    expect(container.textContent).toContain(halted);
    fireEvent.click(screen.getByRole('button', { name: 'Let d-1 trade on' }));
    expect(done).toEqual([['resume', 'd-1']]);
    cleanup();
    show({ deployments: [deployment] }, { mayResume: false });
    expect(screen.getByRole('button', { name: 'Let d-1 trade on' })).toHaveProperty(
      'disabled',
      true
    );
  });
});

describe('what the server sends', () => {
  it('is refused when it is not a table', () => {
    expect(() => parseLimitTable(rawLimitTable({ waiting: [{ version: 'x' }] }))).toThrow(
      'limits.waiting[0].version: expected a number'
    );
  });
});
