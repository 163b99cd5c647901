import * as React from 'react';

import type { IState, IWorkbench } from './tokens';

/** The live state; the component is drawn again when it changes. */
export function useWorkbench(workbench: IWorkbench): IState {
  const subscribe = React.useCallback(
    (listener: () => void) => workbench.subscribe(listener),
    [workbench]
  );
  return React.useSyncExternalStore(subscribe, () => workbench.state);
}

/** The browser's clock, which goes on once a second. */
export function useNow(): number {
  const [now, setNow] = React.useState(() => Date.now());
  React.useEffect(() => {
    const timer = window.setInterval(() => {
      setNow(Date.now());
    }, 1_000);
    return () => {
      window.clearInterval(timer);
    };
  }, []);
  return now;
}
