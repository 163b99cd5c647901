import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { GateState, IGate } from '../tokens';
import { Badge, Tone } from './Badge';

const TONES: Readonly<Record<GateState, Tone>> = {
  waiting: 'idle',
  running: 'busy',
  passed: 'good',
  refused: 'bad'
};

export interface IGateListProps {
  readonly gates: readonly IGate[];
  readonly trans: TranslationBundle;
}

/** The gates in their order, each with how it stands and what it found. */
export function GateList({ gates, trans }: IGateListProps): React.JSX.Element {
  const words: Readonly<Record<GateState, string>> = {
    waiting: trans.__('waiting'),
    running: trans.__('running'),
    passed: trans.__('passed'),
    refused: trans.__('refused')
  };
  return (
    <ol className="wb-GateList">
      {gates.map(gate => (
        <li key={gate.name} className="wb-Gate">
          <span className="wb-Gate-title">{gate.title}</span>
          <Badge tone={TONES[gate.state]}>{words[gate.state]}</Badge>
          {gate.detail !== '' && <span className="wb-Gate-detail">{gate.detail}</span>}
        </li>
      ))}
    </ol>
  );
}
