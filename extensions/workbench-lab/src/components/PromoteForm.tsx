import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatTime, notebookName } from '../format';
import { limitFields, readLimits } from '../limits';
import type { ILimits, IPromoteRequest, IPromotion, IRun, PromotionState, RunId } from '../tokens';
import { Badge, Tone } from './Badge';
import { Choice, TextInput } from './Field';
import { GateList } from './GateList';

const TONES: Readonly<Record<PromotionState, Tone>> = {
  running: 'busy',
  promoted: 'good',
  refused: 'bad',
  failed: 'bad'
};

export interface IPromoteFormProps {
  /** Of the open notebook, empty for none. */
  readonly notebook: string;
  /** It has changes that are not saved. */
  readonly unsaved: boolean;
  /** The runs that can be promoted, the newest first. */
  readonly candidates: readonly IRun[];
  readonly chosen: RunId | null;
  /** The promotion that was begun here, as it stands. */
  readonly promotion: IPromotion | null;
  readonly mayPromote: boolean;
  readonly problem: string;
  readonly onPromote: (request: IPromoteRequest) => void;
  readonly trans: TranslationBundle;
}

/** What will be promoted, then its gates one after the other. */
export function PromoteForm(props: IPromoteFormProps): React.JSX.Element {
  const {
    notebook,
    unsaved,
    candidates,
    chosen,
    promotion,
    mayPromote,
    problem,
    onPromote,
    trans
  } = props;
  const [subject, setSubject] = React.useState<string>(
    chosen ?? (notebook !== '' ? '' : (candidates[0]?.id ?? ''))
  );
  const [limited, setLimited] = React.useState(false);
  const [instruments, setInstruments] = React.useState('EUR_USD');
  const [typed, setTyped] = React.useState<Readonly<Record<string, string>>>({});
  const limits = limited ? readLimits(instruments, typed, trans) : undefined;

  if (promotion !== null) {
    return <Progress promotion={promotion} trans={trans} />;
  }
  if (notebook === '' && candidates.length === 0) {
    return (
      <p>
        {trans.__('There is no run that can be promoted yet.')}{' '}
        {trans.__('Open a notebook whose last cell calls deploy(…).')}
      </p>
    );
  }
  const options = [
    ...(notebook === ''
      ? []
      : [['', trans.__('Run %1 now, as it is saved', notebookName(notebook))] as const]),
    ...candidates.map(run => [run.id, `${run.name}, ${formatTime(run.started)}`] as const)
  ];
  return (
    <div className="wb-Form">
      <Choice label={trans.__('Promote')} value={subject} options={options} onChange={setSubject} />
      <p className="wb-quiet">
        {trans.__(
          'The notebook runs again in a clean kernel from pinned data, and every gate must pass. ' +
            'Then somebody else approves.'
        )}
      </p>
      {unsaved && subject === '' && (
        <p className="wb-problem">
          {trans.__('The notebook has changes that are not saved; they are not promoted.')}
        </p>
      )}
      <label className="wb-Check">
        <input
          type="checkbox"
          checked={limited}
          onChange={event => {
            setLimited(event.target.checked);
          }}
        />
        {trans.__('Set limits here instead of those in the notebook')}
      </label>
      {limited && (
        <fieldset className="wb-Limits">
          <legend>{trans.__('Limits')}</legend>
          <TextInput
            label={trans.__('Instruments')}
            value={instruments}
            onChange={setInstruments}
          />
          {limitFields(trans).map(({ name, label, unit }) => (
            <TextInput
              key={name}
              label={`${label} (${unit})`}
              value={typed[name] ?? ''}
              onChange={value => {
                setTyped({ ...typed, [name]: value });
              }}
            />
          ))}
        </fieldset>
      )}
      <p role="alert" className="wb-problem">
        {problem || (typeof limits === 'string' ? limits : '')}
      </p>
      <button
        type="button"
        className="wb-Button wb-mod-primary"
        disabled={!mayPromote || typeof limits === 'string'}
        onClick={() => {
          onPromote({
            ...(subject === '' ? { notebook } : { runId: subject as RunId }),
            ...(isLimits(limits) ? { limits } : {})
          });
        }}
      >
        {trans.__('Ask the gates')}
      </button>
    </div>
  );
}

function isLimits(limits: ILimits | string | undefined): limits is ILimits {
  return typeof limits === 'object';
}

interface IProgressProps {
  readonly promotion: IPromotion;
  readonly trans: TranslationBundle;
}

function Progress({ promotion, trans }: IProgressProps): React.JSX.Element {
  const words: Readonly<Record<PromotionState, string>> = {
    running: trans.__('running'),
    promoted: trans.__('promoted'),
    refused: trans.__('refused'),
    failed: trans.__('failed')
  };
  const passed = promotion.gates.filter(gate => gate.state === 'passed').length;
  return (
    <div className="wb-Form">
      <div role="status">
        <Badge tone={TONES[promotion.state]}>{words[promotion.state]}</Badge> {promotion.detail}
      </div>
      <progress aria-label={trans.__('Gates passed')} max={promotion.gates.length} value={passed} />
      <GateList gates={promotion.gates} trans={trans} />
      <p className="wb-quiet">
        {promotion.state === 'running'
          ? trans.__('The promotion goes on when you close this; the panel shows how it ends.')
          : promotion.releaseId !== null
            ? trans.__('Release %1 waits for approval.', promotion.releaseId.slice(0, 12))
            : ''}
      </p>
    </div>
  );
}
