import {
  formatAge,
  formatDecision,
  formatMetric,
  formatMoney,
  formatPosition,
  formatTime,
  notebookName,
  signOf
} from '../format';
import { readLimits } from '../limits';
import type { Millis, Money } from '../tokens';
import { trans } from './examples';

const money = (text: string): Money => text as Money;

describe('formatting', () => {
  it.each([
    ['100245.259999', false, '100,245.25 USD'],
    ['0.000000', true, '0.00 USD'],
    ['245.5', true, '+245.50 USD'],
    ['-1234567.891', true, '\u22121,234,567.89 USD'],
    ['-0.004', true, '0.00 USD'],
    ['7', false, '7.00 USD']
  ])('shows %s as money without rounding it up', (amount, signed, expected) => {
    expect(formatMoney(money(amount), 'USD', signed)).toBe(expected);
  });

  it('tells gains from losses from nothing', () => {
    expect(['12.5', '-0.000001', '0.000000', '-0.00'].map(item => signOf(money(item)))).toEqual([
      1, -1, 0, 0
    ]);
  });

  it('shows instants in UTC and a dash for none', () => {
    expect(formatTime(1494252000000 as Millis)).toBe('2017-05-08 14:00 UTC');
    expect(formatTime(null)).toBe('—');
  });

  it.each([
    [0.4, '0 s ago'],
    [59.9, '59 s ago'],
    [60, '1 min ago'],
    [3599, '59 min ago'],
    [7200, '2 h ago']
  ])('shows an age of %p s', (seconds, expected) => {
    expect(formatAge(seconds, trans)).toBe(expected);
  });

  it('says positions and decisions in words', () => {
    const position = {
      instrument: 'EUR_USD',
      units: -20000,
      averagePrice: money('1.09213'),
      unrealized: money('-1')
    };
    expect(formatPosition(position, trans)).toBe('short 20,000 EUR_USD at 1.09213');
    const at = 1494252000000 as Millis;
    const close = { instrument: 'EUR_USD', units: -20000, reduceOnly: true };
    const sell = { instrument: 'EUR_USD', units: -10000, reduceOnly: false };
    expect(formatDecision({ at, orders: [close, sell] }, trans)).toBe(
      'close 20,000 EUR_USD, then sell 10,000 EUR_USD, at the bar of 2017-05-08 14:00 UTC'
    );
    expect(formatDecision({ at, orders: [] }, trans)).toBe(
      'hold, at the bar of 2017-05-08 14:00 UTC'
    );
    expect(formatDecision(null, trans)).toBe('none yet');
  });

  it('shows figures with four digits and notebooks by their name', () => {
    expect([1.23456, 12, null, -0.000123456].map(formatMetric)).toEqual([
      '1.235',
      '12',
      '—',
      '-0.0001235'
    ]);
    expect(notebookName('notebooks/deep/sma_cross.ipynb')).toBe('sma_cross');
  });
});

describe('limits', () => {
  const typed = {
    max_order_units: '100000',
    max_order_value: '150000.5',
    max_position_units: '200000',
    max_open_orders: '2',
    max_orders_per_minute: '10',
    max_margin_use_ppm: '50',
    max_daily_loss: '1000'
  };

  it('are sent in whole units of the server', () => {
    expect(readLimits('EUR_USD, GBP_USD', typed, trans)).toEqual({
      instruments: ['EUR_USD', 'GBP_USD'],
      max_order_units: 100000,
      max_order_value: 150000500000,
      max_position_units: 200000,
      max_open_orders: 2,
      max_orders_per_minute: 10,
      max_margin_use_ppm: 500000,
      max_daily_loss: 1000000000
    });
  });

  it.each([
    ['', typed, 'Instruments'],
    ['EURUSD', typed, 'found EURUSD'],
    ['EUR_USD', { ...typed, max_daily_loss: '' }, 'Daily loss: expected a number above 0'],
    ['EUR_USD', { ...typed, max_open_orders: '-1' }, 'found -1'],
    ['EUR_USD', { ...typed, max_order_units: 'many' }, 'found many']
  ])('are not sent when one is missing or none', (instruments, values, said) => {
    expect(readLimits(instruments, values, trans)).toEqual(expect.stringContaining(said));
  });
});
