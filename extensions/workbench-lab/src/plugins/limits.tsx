import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { LimitsEditor } from '../components/LimitsEditor';
import { useWorkbench } from '../hooks';
import { workbenchIcon } from '../icons';
import type { IDone, ILimitTable, IWorkbench } from '../tokens';

const LIMITS_ID = 'workbench-limits';
const REFRESH_MS = 5_000;

interface IBodyProps {
  readonly workbench: IWorkbench;
  readonly trans: TranslationBundle;
}

/** Open the table of limits as a tab, or show the one that is open. */
export function showLimits(
  app: JupyterFrontEnd,
  workbench: IWorkbench,
  trans: TranslationBundle
): void {
  const open = [...app.shell.widgets('main')].find(widget => widget.id === LIMITS_ID);
  if (open === undefined) {
    const content = ReactWidget.create(<Body workbench={workbench} trans={trans} />);
    content.addClass('wb-Panel');
    const widget = new MainAreaWidget({ content });
    widget.id = LIMITS_ID;
    widget.title.label = trans.__('Limits');
    widget.title.icon = workbenchIcon;
    widget.title.closable = true;
    widget.node.setAttribute('role', 'region');
    widget.node.setAttribute('aria-label', trans.__('Limits'));
    app.shell.add(widget, 'main');
  }
  app.shell.activateById(LIMITS_ID);
}

function Body({ workbench, trans }: IBodyProps): React.JSX.Element {
  const { me } = useWorkbench(workbench);
  const [table, setTable] = React.useState<ILimitTable | null>(null);
  const [said, setSaid] = React.useState('');
  const [problem, setProblem] = React.useState('');
  const [lost, setLost] = React.useState('');

  const load = React.useCallback(async () => {
    try {
      setTable(await workbench.api.limits());
      setLost('');
    } catch (error) {
      setLost(sentence(error));
    }
  }, [workbench]);
  React.useEffect(() => {
    void load();
    const timer = window.setInterval(() => void load(), REFRESH_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, [load]);

  const act = async (verb: () => Promise<IDone>): Promise<void> => {
    try {
      setSaid((await verb()).said);
      setProblem('');
      await load();
    } catch (error) {
      setSaid('');
      setProblem(sentence(error));
    }
  };
  return (
    <LimitsEditor
      table={table}
      mayChange={workbench.may('limits')}
      mayResume={workbench.may('resume')}
      mayOverride={workbench.may('override')}
      user={me?.user ?? ''}
      askName={me?.soleUser ?? false}
      said={said}
      problem={lost === '' ? problem : lost}
      onSet={change => void act(() => workbench.api.setLimit(change))}
      onDecide={decision => void act(() => workbench.api.decideLimit(decision))}
      onAskOverride={wish => void act(() => workbench.api.askOverride(wish))}
      onDecideOverride={decision => void act(() => workbench.api.decideOverride(decision))}
      onResume={id => void act(() => workbench.api.resume(id))}
      onRefresh={() => void load()}
      trans={trans}
    />
  );
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
