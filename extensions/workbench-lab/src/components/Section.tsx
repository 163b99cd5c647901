import * as React from 'react';

export interface ISectionProps {
  readonly title: string;
  /** Null while it is not known. */
  readonly count: number | null;
  readonly loading: string;
  /** Said when there is nothing to list. */
  readonly empty: string;
  readonly children: React.ReactNode;
}

/** A part of the panel that opens and closes by mouse and keyboard. */
export function Section({
  title,
  count,
  loading,
  empty,
  children
}: ISectionProps): React.JSX.Element {
  return (
    <details className="wb-Section" open>
      <summary>
        <h3>{title}</h3>
        <span className="wb-Section-count">{count}</span>
      </summary>
      {count === null && <p className="wb-quiet">{loading}</p>}
      {count === 0 && <p className="wb-quiet">{empty}</p>}
      {children}
    </details>
  );
}
