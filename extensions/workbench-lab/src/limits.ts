import type { ILimits } from './tokens';

/** How one limit is typed by a person and sent to the server. */
export interface ILimitField {
  readonly name: string;
  readonly label: string;
  /** The server's whole units in one of the person's. */
  readonly scale: number;
  readonly unit: string;
}

const MICRO = 1_000_000;

/** The limits of a deployment, in the words people see; `workbench.domain.limits` holds their rules. */
export const LIMIT_FIELDS: readonly ILimitField[] = [
  { name: 'max_order_units', label: 'Largest order', scale: 1, unit: 'units' },
  { name: 'max_order_value', label: 'Largest order value', scale: MICRO, unit: 'account currency' },
  { name: 'max_position_units', label: 'Largest position', scale: 1, unit: 'units' },
  { name: 'max_open_orders', label: 'Open orders', scale: 1, unit: 'orders' },
  { name: 'max_orders_per_minute', label: 'Orders a minute', scale: 1, unit: 'orders' },
  { name: 'max_margin_use_ppm', label: 'Margin use', scale: 10_000, unit: '% of equity' },
  { name: 'max_daily_loss', label: 'Daily loss', scale: MICRO, unit: 'account currency' }
];

/**
 * The limits that were typed, in the server's units; a text says what is missing.
 *
 * Either all are set or none: a limit that is left out counts as zero, which allows nothing.
 */
export function readLimits(
  instruments: string,
  typed: Readonly<Record<string, string>>
): ILimits | string {
  const names = instruments.split(/[\s,]+/).filter(name => name !== '');
  const wrong = names.find(name => !/^[A-Z0-9]{3}_[A-Z0-9]{3}$/.test(name));
  if (names.length === 0 || wrong !== undefined) {
    return `Instruments: expected names as in EUR_USD, found ${wrong ?? 'none'}`;
  }
  const limits: Record<string, number | readonly string[]> = { instruments: names };
  for (const { name, label, scale, unit } of LIMIT_FIELDS) {
    const found = (typed[name] ?? '').trim();
    const value = Math.round(Number(found) * scale);
    if (found === '' || !Number.isSafeInteger(value) || value <= 0) {
      return `${label}: expected a number above 0 (${unit}), found ${found || 'nothing'}`;
    }
    limits[name] = value;
  }
  return limits;
}
