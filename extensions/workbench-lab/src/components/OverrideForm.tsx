import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { DeploymentId, ILimitTable, IOverrideWish } from '../tokens';
import { Choice, TextInput } from './Field';
import { SignedForm } from './SignedForm';

export interface IOverrideFormProps {
  readonly table: ILimitTable;
  /** Who is signed in. */
  readonly user: string;
  /** One login serves everybody: whoever asks says who that is. */
  readonly askName: boolean;
  readonly onAsk: (wish: IOverrideWish) => void;
  readonly onCancel: () => void;
  readonly trans: TranslationBundle;
}

/** Ask that one order may pass a soft control. */
export function OverrideForm(props: IOverrideFormProps): React.JSX.Element {
  const { table, user, askName, onAsk, onCancel, trans } = props;
  const first = table.deployments[0];
  const [deploymentId, setDeployment] = React.useState<string>(first?.id ?? '');
  const [control, setControl] = React.useState(table.overridable[0] ?? '');
  const [instrument, setInstrument] = React.useState('');
  const [side, setSide] = React.useState('buy');
  const [units, setUnits] = React.useState('');
  const [minutes, setMinutes] = React.useState(String(Math.min(5, table.overrideMinutes)));
  const known = table.deployments.find(item => item.id === deploymentId)?.instruments ?? [];
  const chosen = known.includes(instrument) ? instrument : (known[0] ?? '');
  return (
    <SignedForm
      label={trans.__('Ask for an override')}
      reasonHint={trans.__('It is kept with the override')}
      send={trans.__('Ask')}
      user={user}
      askName={askName}
      onSend={signed => {
        onAsk({
          deploymentId: deploymentId as DeploymentId,
          control,
          instrument: chosen,
          units: Number(units.replace(/[,\s]/g, '')) * (side === 'sell' ? -1 : 1),
          minutes: Number(minutes),
          ...signed
        });
      }}
      onCancel={onCancel}
      trans={trans}
    >
      <Choice
        label={trans.__('Deployment')}
        value={deploymentId}
        options={table.deployments.map(item => [item.id, item.id] as const)}
        onChange={setDeployment}
      />
      <Choice
        label={trans.__('Control to pass')}
        value={control}
        options={table.overridable.map(id => {
          const title = table.controls.find(item => item.id === id)?.title ?? '';
          return [id, `${id} ${title}`] as const;
        })}
        onChange={setControl}
      />
      <Choice
        label={trans.__('Instrument')}
        value={chosen}
        options={known.map(name => [name, name] as const)}
        onChange={setInstrument}
      />
      <Choice
        label={trans.__('Side')}
        value={side}
        options={[
          ['buy', trans.__('Buy')],
          ['sell', trans.__('Sell')]
        ]}
        onChange={setSide}
      />
      <TextInput
        label={trans.__('Most units')}
        pattern="[1-9][\d,]{0,15}"
        value={units}
        onChange={setUnits}
      />
      <TextInput
        label={trans.__('Minutes')}
        hint={trans.__('1 to %1, from now', String(table.overrideMinutes))}
        pattern="[1-9]|1[0-5]"
        value={minutes}
        onChange={setMinutes}
      />
    </SignedForm>
  );
}
