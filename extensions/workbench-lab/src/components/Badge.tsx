import * as React from 'react';

/** What a state means to whoever reads it; each has a mark of its own beside its colour. */
export type Tone = 'good' | 'bad' | 'busy' | 'idle' | 'warn';

const MARKS: Readonly<Record<Tone, string>> = {
  good: '✓',
  bad: '✕',
  busy: '◔',
  idle: '○',
  warn: '!'
};

export interface IBadgeProps {
  readonly tone: Tone;
  readonly children: React.ReactNode;
}

/** A state in words, with a mark and a colour. */
export function Badge({ tone, children }: IBadgeProps): React.JSX.Element {
  return (
    <span className={`wb-Badge wb-mod-${tone}`}>
      <span className="wb-Badge-mark" aria-hidden="true">
        {MARKS[tone]}
      </span>
      {children}
    </span>
  );
}
