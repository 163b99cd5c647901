import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { TextInput } from './Field';

/** Why a change is asked for, and in whose name where that is not who is signed in. */
export interface ISigned {
  readonly reason: string;
  readonly person?: string;
}

export interface ISignedFormProps {
  readonly label: string;
  readonly reasonHint: string;
  /** What the button that sends it says. */
  readonly send: string;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever asks says who that is. */
  readonly askName: boolean;
  readonly onSend: (signed: ISigned) => void;
  readonly onCancel: () => void;
  readonly trans: TranslationBundle;
  /** The fields of what is asked for; the first has the focus. */
  readonly children: React.ReactNode;
}

/** A form whose answer is kept with a reason and a name; Escape leaves it. */
export function SignedForm(props: ISignedFormProps): React.JSX.Element {
  const { label, reasonHint, send, user, askName, onSend, onCancel, trans, children } = props;
  const [reason, setReason] = React.useState('');
  const [person, setPerson] = React.useState('');
  const form = React.useRef<HTMLFormElement>(null);
  React.useEffect(() => {
    form.current?.querySelector<HTMLElement>('input, select')?.focus();
  }, []);
  return (
    <form
      ref={form}
      className="wb-Card wb-Form"
      aria-label={label}
      onSubmit={event => {
        event.preventDefault();
        const by = person.trim();
        onSend({
          reason: reason.trim(),
          ...(askName && by !== '' && by !== user ? { person: by } : {})
        });
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          onCancel();
        }
      }}
    >
      {children}
      <TextInput label={trans.__('Reason')} hint={reasonHint} value={reason} onChange={setReason} />
      {askName && (
        <TextInput
          label={trans.__('Who asks for it')}
          hint={trans.__('%1 when left out', user)}
          value={person}
          optional
          onChange={setPerson}
        />
      )}
      <div className="wb-Buttons">
        <button type="submit" className="wb-Button wb-mod-primary">
          {send}
        </button>
        <button type="button" className="wb-Button" onClick={onCancel}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}
