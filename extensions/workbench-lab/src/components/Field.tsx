import * as React from 'react';

interface IFieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: React.ReactNode;
}

/** A labelled control of a form; the hint describes it. */
function Field({ id, label, hint, children }: IFieldProps): React.JSX.Element {
  return (
    <div className="wb-Field">
      <label className="wb-Field-label" htmlFor={id}>
        {label}
      </label>
      {children}
      {hint !== undefined && (
        <span id={`${id}-hint`} className="wb-quiet">
          {hint}
        </span>
      )}
    </div>
  );
}

export interface IChoiceProps {
  readonly label: string;
  readonly value: string;
  /** What can be chosen, with its words. */
  readonly options: readonly (readonly [value: string, words: string])[];
  readonly onChange: (value: string) => void;
}

/** One of several. */
export function Choice({ label, value, options, onChange }: IChoiceProps): React.JSX.Element {
  const id = React.useId();
  return (
    <Field id={id} label={label}>
      <select
        id={id}
        className="wb-Input"
        value={value}
        onChange={event => {
          onChange(event.target.value);
        }}
      >
        {options.map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
    </Field>
  );
}

export interface ITextProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: string;
  /** The whole text has to match it. */
  readonly pattern?: string;
  readonly optional?: boolean;
}

/** A line of text. */
export function TextInput(props: ITextProps): React.JSX.Element {
  const { label, value, onChange, hint, pattern, optional } = props;
  const id = React.useId();
  return (
    <Field id={id} label={label} hint={hint}>
      <input
        id={id}
        className="wb-Input"
        type="text"
        autoComplete="off"
        spellCheck={false}
        required={optional !== true}
        pattern={pattern}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        value={value}
        onChange={event => {
          onChange(event.target.value);
        }}
      />
    </Field>
  );
}

export interface ICheckProps {
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

/** Yes or no. */
export function Check({ label, value, onChange }: ICheckProps): React.JSX.Element {
  return (
    <label className="wb-Check">
      <input
        type="checkbox"
        checked={value}
        onChange={event => {
          onChange(event.target.checked);
        }}
      />
      {label}
    </label>
  );
}
