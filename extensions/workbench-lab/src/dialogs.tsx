import { Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { DeployForm, feedOf, firstValue } from './components/DeployForm';
import { Choice, TextInput } from './components/Field';
import { PromoteForm } from './components/PromoteForm';
import { useWorkbench } from './hooks';
import type {
  DeploymentId,
  IAccounts,
  IApproveRequest,
  IDeployment,
  IDeployRequest,
  IPromoteRequest,
  IRelease,
  IRun,
  IWorkbench,
  PromotionId,
  ReleaseId,
  RunId
} from './tokens';

/** What can be promoted. */
export interface IPromoteQuestion {
  /** Path of the open notebook, empty for none. */
  readonly notebook: string;
  /** It has changes that are not saved. */
  readonly unsaved: boolean;
  readonly candidates: readonly IRun[];
  readonly chosen: RunId | null;
}

/** What a person is asked; null for "rather not". */
export interface IDialogs {
  promote(asked: IPromoteQuestion): Promise<void>;
  approve(
    releases: readonly IRelease[],
    chosen: ReleaseId,
    askName: boolean
  ): Promise<IApproveRequest | null>;
  deploy(
    releases: readonly IRelease[],
    places: IAccounts,
    chosen: ReleaseId
  ): Promise<IDeployRequest | null>;
  stop(
    deployments: readonly IDeployment[],
    chosen: DeploymentId
  ): Promise<{ id: DeploymentId; flatten: boolean } | null>;
  /** Why everything is killed. */
  killReason(running: number): Promise<string | null>;
  /** The second question before everything is killed. */
  killConfirmed(reason: string, running: number): Promise<boolean>;
  unkillReason(): Promise<string | null>;
  done(sentence: string): void;
  failed(sentence: string): void;
}

type Draw<T> = (value: T, change: (values: Partial<T>) => void) => React.JSX.Element;

/** A form in a dialog: what was typed is its value. */
class FormBody<T extends object> extends ReactWidget {
  constructor(
    private value: T,
    private readonly draw: Draw<T>
  ) {
    super();
    this.addClass('wb-Dialog');
  }

  getValue(): T {
    return this.value;
  }

  protected override render(): React.JSX.Element {
    return this.draw(this.value, values => {
      this.value = { ...this.value, ...values };
      this.update();
    });
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    void this.renderPromise?.then(() => {
      // the dialog looks at its fields when one is typed into: they are not all valid from the start
      this.node.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }
}

interface IAsking<T> {
  readonly title: string;
  readonly accept: string;
  readonly value: T;
  readonly danger?: boolean;
  readonly draw: Draw<T>;
}

/** The name typed to kill everything; it is the same in every language. */
export const KILL_WORD = 'KILL';

/** The dialogs as JupyterLab shows them. */
export class LabDialogs implements IDialogs {
  constructor(
    private readonly workbench: IWorkbench,
    private readonly trans: TranslationBundle
  ) {}

  async promote(asked: IPromoteQuestion): Promise<void> {
    const { trans, workbench } = this;
    const body = ReactWidget.create(<PromoteBody {...asked} workbench={workbench} trans={trans} />);
    body.addClass('wb-Dialog');
    await showDialog({
      title: trans.__('Promote to a release'),
      body,
      buttons: [Dialog.cancelButton({ label: trans.__('Close') })],
      focusNodeSelector: 'select, button'
    });
  }

  async approve(
    releases: readonly IRelease[],
    chosen: ReleaseId,
    askName: boolean
  ): Promise<IApproveRequest | null> {
    const { trans } = this;
    const found = await this.ask({
      title: trans.__('Decide on a release'),
      accept: trans.__('Sign the decision'),
      value: { releaseId: chosen, decision: 'approved' as const, reason: '', approver: '' },
      draw: (value: IApproveRequest & { readonly approver: string }, change) => (
        <>
          <Choice
            label={trans.__('Release')}
            value={value.releaseId}
            options={releases.map(
              item => [item.id, `${item.name}, ${item.id.slice(0, 12)}`] as const
            )}
            onChange={releaseId => {
              change({ releaseId: releaseId as ReleaseId });
            }}
          />
          <Choice
            label={trans.__('Decision')}
            value={value.decision}
            options={[
              ['approved', trans.__('Approve')],
              ['refused', trans.__('Refuse')]
            ]}
            onChange={decision => {
              change({ decision: decision === 'refused' ? 'refused' : 'approved' });
            }}
          />
          <TextInput
            label={trans.__('Reason')}
            value={value.reason}
            onChange={reason => {
              change({ reason });
            }}
          />
          {askName && (
            <TextInput
              label={trans.__('Your name')}
              hint={trans.__('Its author can not decide on a release.')}
              value={value.approver}
              onChange={approver => {
                change({ approver });
              }}
            />
          )}
        </>
      )
    });
    if (found === null) {
      return null;
    }
    const { releaseId, decision, reason, approver } = found;
    return { releaseId, decision, reason, ...(askName ? { approver } : {}) };
  }

  async deploy(
    releases: readonly IRelease[],
    places: IAccounts,
    chosen: ReleaseId
  ): Promise<IDeployRequest | null> {
    const { trans } = this;
    const free = places.accounts.filter(account => account.heldBy === '');
    const first = free[0];
    if (first === undefined) {
      this.failed(trans.__('Every account is taken; stop a deployment or add an account first.'));
      return null;
    }
    const found = await this.ask({
      title: trans.__('Deploy a release'),
      accept: trans.__('Deploy'),
      value: firstValue(chosen, first, places.sources),
      draw: (value, change) => (
        <DeployForm
          value={value}
          releases={releases}
          accounts={free}
          sources={places.sources}
          onChange={change}
          trans={trans}
        />
      )
    });
    if (found === null) {
      return null;
    }
    return { releaseId: found.releaseId, accountId: found.accountId, feed: feedOf(found) };
  }

  async stop(
    deployments: readonly IDeployment[],
    chosen: DeploymentId
  ): Promise<{ id: DeploymentId; flatten: boolean } | null> {
    const { trans } = this;
    return this.ask({
      title: trans.__('Stop a deployment'),
      accept: trans.__('Stop'),
      danger: true,
      value: { id: chosen, flatten: false },
      draw: (value: { id: DeploymentId; flatten: boolean }, change) => (
        <>
          <Choice
            label={trans.__('Deployment')}
            value={value.id}
            options={deployments.map(
              item => [item.id, `${item.releaseName} on ${item.accountId}, ${item.id}`] as const
            )}
            onChange={id => {
              change({ id: id as DeploymentId });
            }}
          />
          <Choice
            label={trans.__('Its position')}
            value={value.flatten ? 'close' : 'keep'}
            options={[
              ['keep', trans.__('Keep it')],
              ['close', trans.__('Close it at the next price')]
            ]}
            onChange={position => {
              change({ flatten: position === 'close' });
            }}
          />
        </>
      )
    });
  }

  async killReason(running: number): Promise<string | null> {
    const { trans } = this;
    const found = await this.ask({
      title: trans.__('Kill all trading?'),
      accept: trans.__('Go on'),
      danger: true,
      value: { reason: '' },
      draw: (value, change) => (
        <>
          <p>
            {trans._n(
              'No order of any deployment leaves after this; %1 is running. Positions stay open.',
              'No order of any deployment leaves after this; %1 are running. Positions stay open.',
              running
            )}
          </p>
          <TextInput
            label={trans.__('Reason')}
            hint={trans.__('It is kept in the journal with your name.')}
            value={value.reason}
            onChange={reason => {
              change({ reason });
            }}
          />
        </>
      )
    });
    return found?.reason ?? null;
  }

  async killConfirmed(reason: string, running: number): Promise<boolean> {
    const { trans } = this;
    const found = await this.ask({
      title: trans.__('Really kill all trading?'),
      accept: trans.__('Kill all'),
      danger: true,
      value: { typed: '' },
      draw: (value, change) => (
        <>
          <p>
            {trans._n(
              '%1 deployment stops sending orders.',
              '%1 deployments stop sending orders.',
              running
            )}{' '}
            {trans.__('Reason: %1', reason)}
          </p>
          <TextInput
            label={trans.__('Type %1 to confirm', KILL_WORD)}
            pattern={KILL_WORD}
            value={value.typed}
            onChange={typed => {
              change({ typed });
            }}
          />
        </>
      )
    });
    return found?.typed === KILL_WORD;
  }

  async unkillReason(): Promise<string | null> {
    const { trans } = this;
    const found = await this.ask({
      title: trans.__('Release the kill switch?'),
      accept: trans.__('Release'),
      danger: true,
      value: { reason: '' },
      draw: (value, change) => (
        <>
          <p>{trans.__('Deployments that still run may send orders again.')}</p>
          <TextInput
            label={trans.__('Reason')}
            value={value.reason}
            onChange={reason => {
              change({ reason });
            }}
          />
        </>
      )
    });
    return found?.reason ?? null;
  }

  done(sentence: string): void {
    Notification.success(sentence, { autoClose: 5_000 });
  }

  failed(sentence: string): void {
    Notification.error(sentence, { autoClose: false });
  }

  private async ask<T extends object>(asking: IAsking<T>): Promise<T | null> {
    const { title, accept, value, draw } = asking;
    const button = asking.danger === true ? Dialog.warnButton : Dialog.okButton;
    const found = await showDialog({
      title,
      body: new FormBody(value, draw),
      buttons: [Dialog.cancelButton({ label: this.trans.__('Cancel') }), button({ label: accept })],
      focusNodeSelector: 'input, select'
    });
    return found.button.accept ? found.value : null;
  }
}

interface IPromoteBodyProps extends IPromoteQuestion {
  readonly workbench: IWorkbench;
  readonly trans: TranslationBundle;
}

/** The form of a promotion, then its progress from the live state. */
function PromoteBody({ workbench, trans, ...asked }: IPromoteBodyProps): React.JSX.Element {
  const state = useWorkbench(workbench);
  const [begun, setBegun] = React.useState<PromotionId | null>(null);
  const [problem, setProblem] = React.useState('');
  const begin = async (request: IPromoteRequest): Promise<void> => {
    try {
      setBegun((await workbench.api.promote(request)).id);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <PromoteForm
      {...asked}
      promotion={state.promotions.find(item => item.id === begun) ?? null}
      mayPromote={workbench.may('promote') && begun === null}
      problem={problem}
      onPromote={request => {
        void begin(request);
      }}
      trans={trans}
    />
  );
}
