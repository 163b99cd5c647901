import type { TranslationBundle } from '@jupyterlab/translation';

import type { IDecision, IOrder, IPosition, Millis, Money } from './tokens';

/** The server computes, these functions say it: nothing here does arithmetic on money. */

const MINUS = '\u2212'; // as wide as a plus, so that columns of amounts line up

/** An amount with two decimals and a thousands separator; digits beyond are cut, never rounded up. */
export function formatMoney(amount: Money, currency: string, signed = false): string {
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const digits = `${grouped}.${fraction.slice(0, 2).padEnd(2, '0')}`;
  const zero = /^[0,.]*$/.test(digits);
  const sign = zero ? '' : amount.startsWith('-') ? MINUS : signed ? '+' : '';
  return `${sign}${digits} ${currency}`;
}

/** Whether an amount is a gain or a loss. */
export function signOf(amount: Money): -1 | 0 | 1 {
  if (/^-?[0.]*$/.test(amount)) {
    return 0;
  }
  return amount.startsWith('-') ? -1 : 1;
}

/** Whole units with a thousands separator. */
export function formatUnits(units: number): string {
  return String(Math.abs(units)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** An instant in UTC, to the minute, as the books have it. */
export function formatTime(at: Millis | null): string {
  return at === null ? '—' : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

export function formatAge(seconds: number, trans: TranslationBundle): string {
  if (seconds < 60) {
    return trans.__('%1 s ago', Math.floor(seconds));
  }
  if (seconds < 3_600) {
    return trans.__('%1 min ago', Math.floor(seconds / 60));
  }
  return trans.__('%1 h ago', Math.floor(seconds / 3_600));
}

export function formatPosition(position: IPosition, trans: TranslationBundle): string {
  const units = formatUnits(position.units);
  return position.units > 0
    ? trans.__('long %1 %2 at %3', units, position.instrument, position.averagePrice)
    : trans.__('short %1 %2 at %3', units, position.instrument, position.averagePrice);
}

function formatOrder(order: IOrder, trans: TranslationBundle): string {
  const units = formatUnits(order.units);
  if (order.reduceOnly) {
    return trans.__('close %1 %2', units, order.instrument);
  }
  return order.units > 0
    ? trans.__('buy %1 %2', units, order.instrument)
    : trans.__('sell %1 %2', units, order.instrument);
}

export function formatDecision(decision: IDecision | null, trans: TranslationBundle): string {
  if (decision === null) {
    return trans.__('none yet');
  }
  const orders = decision.orders.map(order => formatOrder(order, trans)).join(trans.__(', then '));
  return trans.__('%1, at the bar of %2', orders || trans.__('hold'), formatTime(decision.at));
}

/** A figure of a run: four significant digits, a dash for one that can not be computed. */
export function formatMetric(value: number | null): string {
  if (value === null) {
    return '—';
  }
  return Number.isInteger(value) ? String(value) : Number(value.toPrecision(4)).toString();
}

/** The last part of a path, without the ending of a notebook. */
export function notebookName(path: string): string {
  return (path.split('/').pop() ?? path).replace(/\.ipynb$/, '');
}
