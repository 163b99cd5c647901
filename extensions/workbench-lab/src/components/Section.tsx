import * as React from 'react';

export interface ISectionProps {
  readonly title: string;
  readonly count: number;
  /** Said when there is nothing to list. */
  readonly empty: string;
  readonly children: React.ReactNode;
}

/** A part of the panel that opens and closes by mouse and keyboard. */
export function Section({ title, count, empty, children }: ISectionProps): React.JSX.Element {
  return (
    <details className="wb-Section" open>
      <summary>
        <h3>{title}</h3>
        <span className="wb-Section-count">{count}</span>
      </summary>
      {count === 0 ? <p className="wb-quiet">{empty}</p> : children}
    </details>
  );
}
