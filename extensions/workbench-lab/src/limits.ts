import type { TranslationBundle } from '@jupyterlab/translation';

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
export function limitFields(trans: TranslationBundle): readonly ILimitField[] {
  const [units, orders, money] = [
    trans.__('units'),
    trans.__('orders'),
    trans.__('account currency')
  ];
  return [
    { name: 'max_order_units', label: trans.__('Largest order'), scale: 1, unit: units },
    { name: 'max_order_value', label: trans.__('Largest order value'), scale: MICRO, unit: money },
    { name: 'max_position_units', label: trans.__('Largest position'), scale: 1, unit: units },
    { name: 'max_open_orders', label: trans.__('Open orders'), scale: 1, unit: orders },
    { name: 'max_orders_per_minute', label: trans.__('Orders a minute'), scale: 1, unit: orders },
    {
      name: 'max_margin_use_ppm',
      label: trans.__('Margin use'),
      scale: 10_000,
      unit: trans.__('% of equity')
    },
    { name: 'max_daily_loss', label: trans.__('Daily loss'), scale: MICRO, unit: money }
  ];
}

/**
 * The limits that were typed, in the server's units; a text says what is missing.
 *
 * Either all are set or none: a limit that is left out counts as zero, which allows nothing.
 */
export function readLimits(
  instruments: string,
  typed: Readonly<Record<string, string>>,
  trans: TranslationBundle
): ILimits | string {
  const names = instruments.split(/[\s,]+/).filter(name => name !== '');
  const wrong = names.find(name => !/^[A-Z0-9]{3}_[A-Z0-9]{3}$/.test(name));
  if (names.length === 0 || wrong !== undefined) {
    return trans.__(
      'Instruments: expected names as in EUR_USD, found %1',
      wrong ?? trans.__('none')
    );
  }
  const limits: Record<string, number | readonly string[]> = { instruments: names };
  for (const { name, label, scale, unit } of limitFields(trans)) {
    const found = (typed[name] ?? '').trim();
    const value = Math.round(Number(found) * scale);
    if (found === '' || !Number.isSafeInteger(value) || value <= 0) {
      return trans.__(
        '%1: expected a number above 0 (%2), found %3',
        label,
        unit,
        found || trans.__('nothing')
      );
    }
    limits[name] = value;
  }
  return limits;
}
