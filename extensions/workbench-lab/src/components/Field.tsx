import * as React from 'react';

export interface IFieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly children: React.ReactNode;
}

/** A labelled field of a form; the label names the control inside it. */
export function Field({ label, hint, children }: IFieldProps): React.JSX.Element {
  return (
    <label className="wb-Field">
      <span className="wb-Field-label">{label}</span>
      {children}
      {hint !== undefined && <span className="wb-quiet">{hint}</span>}
    </label>
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
  return (
    <Field label={label}>
      <select
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
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      <input
        className="wb-Input"
        type="text"
        autoComplete="off"
        spellCheck={false}
        required={optional !== true}
        pattern={pattern}
        value={value}
        onChange={event => {
          onChange(event.target.value);
        }}
      />
    </Field>
  );
}
