import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Badge } from './Badge';
import { TextInput } from './Field';

/** A decision that is being made: why, and by whom where one login serves everybody. */
export interface IDecider {
  readonly reason: string;
  readonly person: string;
  readonly setReason: (reason: string) => void;
  readonly setPerson: (person: string) => void;
  /** Whose decision it is. */
  readonly name: string;
  /** What the server is told of who decides; nothing when it is who is signed in. */
  readonly told: { readonly person?: string };
}

export function useDecider(user: string, askName: boolean): IDecider {
  const [reason, setReason] = React.useState('');
  const [person, setPerson] = React.useState('');
  const name = askName && person.trim() !== '' ? person.trim() : user;
  return {
    reason,
    person,
    setReason,
    setPerson,
    name,
    told: name === user ? {} : { person: name }
  };
}

export interface IDecisionFieldsProps {
  readonly decider: IDecider;
  readonly user: string;
  readonly askName: boolean;
  readonly trans: TranslationBundle;
}

/** Why, and who decides. */
export function DecisionFields(props: IDecisionFieldsProps): React.JSX.Element {
  const { decider, user, askName, trans } = props;
  return (
    <div className="wb-Form">
      <TextInput
        label={trans.__('Reason for the decision')}
        value={decider.reason}
        onChange={decider.setReason}
      />
      {askName && (
        <TextInput
          label={trans.__('Who decides')}
          hint={trans.__('%1 when left out', user)}
          value={decider.person}
          optional
          onChange={decider.setPerson}
        />
      )}
    </div>
  );
}

export interface IDecisionButtonsProps {
  /** What is decided on, as a screen reader says it. */
  readonly what: string;
  /** Who asked for it. */
  readonly by: string;
  readonly decider: IDecider;
  readonly mayDecide: boolean;
  /** Whether it still has to be approved. */
  readonly waits: boolean;
  readonly onDecide: (action: 'approve' | 'withdraw') => void;
  readonly trans: TranslationBundle;
}

/** Approve it, unless one asked for it oneself, or withdraw it. */
export function DecisionButtons(props: IDecisionButtonsProps): React.JSX.Element {
  const { what, by, decider, mayDecide, waits, onDecide, trans } = props;
  const ready = mayDecide && decider.reason.trim() !== '';
  const own = samePerson(by, decider.name);
  return (
    <div className="wb-Buttons">
      {waits && (
        <button
          type="button"
          className="wb-Button wb-mod-primary"
          aria-label={trans.__('Approve %1', what)}
          disabled={!ready || own}
          onClick={() => {
            onDecide('approve');
          }}
        >
          {trans.__('Approve')}
        </button>
      )}
      <button
        type="button"
        className="wb-Button"
        aria-label={trans.__('Withdraw %1', what)}
        disabled={!ready}
        onClick={() => {
          onDecide('withdraw');
        }}
      >
        {trans.__('Withdraw')}
      </button>
      {waits && own && (
        <span className="wb-quiet">{trans.__('Another person has to approve it.')}</span>
      )}
    </div>
  );
}

/** That something waits for a second person. */
export function WaitsBadge({ trans }: { readonly trans: TranslationBundle }): React.JSX.Element {
  return <Badge tone="warn">{trans.__('waits')}</Badge>;
}

/** As the server sees it, so that nobody is offered what it would refuse. */
function samePerson(one: string, other: string): boolean {
  const plain = (name: string): string =>
    name
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, '');
  return plain(one) === plain(other);
}
