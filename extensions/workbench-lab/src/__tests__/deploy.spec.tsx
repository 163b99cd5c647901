import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import axe from 'axe-core';
import * as React from 'react';

import { DeployForm, feedOf, firstValue, IDeployValue } from '../components/DeployForm';
import { parseAccounts, parseReleases } from '../parse';
import type { IAccount } from '../tokens';
import { rawRelease, trans } from './examples';

const RELEASES = parseReleases({ releases: [rawRelease()] });
const { accounts: ACCOUNTS } = parseAccounts({
  accounts: [
    account('paper-1', 'paper', ''),
    account('paper-2', 'paper', 'stream'),
    account('far-1', 'paper_http', '')
  ],
  sources: []
});

function account(id: string, broker: string, feed: string): Record<string, unknown> {
  return { id, broker, currency: 'USD', balance: '100000.000000', feed, held_by: '' };
}

let value: IDeployValue;

function show(first: number, sources: readonly string[] = []): HTMLElement {
  value = firstValue(RELEASES[0]!.id, ACCOUNTS[first] as IAccount, sources);
  const Body = (): React.JSX.Element => {
    const [now, change] = React.useState(value);
    value = now;
    return (
      <DeployForm
        value={now}
        releases={RELEASES}
        accounts={ACCOUNTS}
        sources={sources}
        onChange={values => {
          change({ ...now, ...values });
        }}
        trans={trans}
      />
    );
  };
  return render(<Body />).container;
}

const options = (): string[] =>
  [...screen.getByLabelText<HTMLSelectElement>('Prices').options].map(item => item.value);

function pick(label: string, chosen: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value: chosen } });
}

beforeAll(() => {
  jest.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null); // jsdom draws nothing
});

afterEach(cleanup);

describe('the form of a deployment', () => {
  it('replays on a paper account at the pace of bars, or of ticks', () => {
    show(0);
    expect(options()).toEqual(['bars', 'ticks', 'stream']);
    expect(feedOf(value)).toMatchObject({ kind: 'bars', start: '', end: '', perSecond: 20 });
    pick('Prices', 'ticks');
    pick('Replay from', '2017-03-01');
    pick('Replay up to', '2017-04-01');
    expect(feedOf(value)).toMatchObject({
      kind: 'ticks',
      start: '2017-03-01',
      end: '2017-04-01',
      perSecond: 1000
    });
    pick('Ticks a second', '0');
    expect(feedOf(value)).toMatchObject({ perSecond: 0 });
  });

  it('takes a stream of whoever publishes one', () => {
    show(0, ['demo']);
    pick('Prices', 'stream');
    expect(screen.getByLabelText('Source of the quotes')).toHaveProperty('value', 'demo');
    expect(screen.queryByLabelText('Replay from')).toBeNull();
    fireEvent.click(screen.getByLabelText('Every quote, also where the strategy is slower'));
    expect(feedOf(value)).toMatchObject({ kind: 'stream', source: 'demo', everyQuote: true });
  });

  it('offers no replay on an account at a broker, and asks for its name', () => {
    show(0);
    pick('Account', 'far-1');
    expect(options()).toEqual(['stream']);
    expect(feedOf(value)).toMatchObject({ kind: 'stream', source: 'broker' });
    const confirmed = screen.getByLabelText(/real money is traded/);
    expect(confirmed.getAttribute('pattern')).toBe('far\\-1');
  });

  it('takes the feed that an account has of its own first', () => {
    show(1);
    expect(options()[0]).toBe('own');
    expect(feedOf(value)).toBeNull();
    pick('Prices', 'bars');
    expect(feedOf(value)).toMatchObject({ kind: 'bars', perSecond: 20 });
  });

  it.each([0, 1, 2])(
    'has no fault that a screen reader would stumble over: account %s',
    async n => {
      const found = await axe.run(show(n), {
        rules: { 'color-contrast': { enabled: false }, region: { enabled: false } }
      });
      expect(found.violations.map(item => item.id)).toEqual([]);
    }
  );
});
