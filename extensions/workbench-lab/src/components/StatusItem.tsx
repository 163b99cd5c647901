import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IState, ProcessState } from '../tokens';
import { Badge, Tone } from './Badge';

const TONES: Readonly<Record<ProcessState, Tone>> = {
  running: 'good',
  stopped: 'bad',
  killed: 'bad'
};

export interface IStatusItemProps {
  readonly state: IState;
  readonly onClick: () => void;
  readonly trans: TranslationBundle;
}

/** The gateway's state and whose money is traded, in the status bar. */
export function StatusItem({ state, onClick, trans }: IStatusItemProps): React.JSX.Element {
  const { connection, status } = state;
  const words: Readonly<Record<ProcessState, string>> = {
    running: trans.__('Gateway running'),
    stopped: trans.__('Gateway stopped'),
    killed: trans.__('Gateway killed')
  };
  const known = connection === 'open' && status !== null;
  const title = known ? status.gateway.detail : trans.__('The server does not answer.');
  return (
    <button type="button" className="wb-StatusItem" onClick={onClick} title={title}>
      <span aria-live="polite">
        {known ? (
          <Badge tone={TONES[status.gateway.state]}>{words[status.gateway.state]}</Badge>
        ) : (
          <Badge tone="warn">{trans.__('Gateway unknown')}</Badge>
        )}
      </span>
      {status !== null && (
        <span className={`wb-Mode wb-mod-${status.mode.toLowerCase()}`}>{status.mode}</span>
      )}
    </button>
  );
}
