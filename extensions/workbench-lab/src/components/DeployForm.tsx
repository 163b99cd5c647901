import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formatMoney } from '../format';
import type { FeedKind, IAccount, IFeed, IRelease, ReleaseId } from '../tokens';
import { Check, Choice, TextInput } from './Field';

/** What is typed into the form; `own` is the feed that the account itself has. */
export interface IDeployValue {
  readonly releaseId: ReleaseId;
  readonly accountId: string;
  /** The name of an account with real money, typed to confirm. */
  readonly typed: string;
  readonly kind: FeedKind | 'own';
  readonly start: string;
  readonly end: string;
  readonly speed: string;
  readonly source: string;
  readonly everyQuote: boolean;
}

const SPEEDS: Readonly<Record<string, string>> = { bars: '20', ticks: '1000' };
const BROKER = 'broker'; // a stream's source that is the account's own broker

export interface IDeployFormProps {
  readonly value: IDeployValue;
  readonly releases: readonly IRelease[];
  readonly accounts: readonly IAccount[];
  /** Who publishes quotes now. */
  readonly sources: readonly string[];
  readonly onChange: (values: Partial<IDeployValue>) => void;
  readonly trans: TranslationBundle;
}

/** A release, an account, and where its prices come from: only what the account can have is offered. */
export function DeployForm(props: IDeployFormProps): React.JSX.Element {
  const { value, releases, accounts, onChange, trans } = props;
  const account = accounts.find(item => item.id === value.accountId);
  return (
    <>
      <Choice
        label={trans.__('Release')}
        value={value.releaseId}
        options={releases.map(item => [item.id, `${item.name}, ${item.id.slice(0, 12)}`] as const)}
        onChange={releaseId => {
          onChange({ releaseId: releaseId as ReleaseId });
        }}
      />
      <Choice
        label={trans.__('Account')}
        value={value.accountId}
        options={accounts.map(item => [item.id, accountWords(item)] as const)}
        onChange={accountId => {
          const found = accounts.find(item => item.id === accountId);
          onChange({ accountId, typed: '', ...(found ? firstFeed(found, props.sources) : {}) });
        }}
      />
      {account !== undefined && <FeedFields {...props} account={account} />}
      {account !== undefined && account.broker !== 'paper' && (
        <TextInput
          label={trans.__('Type the name of the account: real money is traded on it')}
          pattern={literal(value.accountId)}
          value={value.typed}
          onChange={typed => {
            onChange({ typed });
          }}
        />
      )}
    </>
  );
}

function FeedFields(props: IDeployFormProps & { readonly account: IAccount }): React.JSX.Element {
  const { value, account, sources, onChange, trans } = props;
  const words: Readonly<Record<FeedKind | 'own', string>> = {
    own: trans.__('The account’s own: %1', account.feed),
    bars: trans.__('Replay of the release’s bars'),
    ticks: trans.__('Replay of the release’s ticks'),
    stream: trans.__('Stream of quotes')
  };
  return (
    <>
      <Choice
        label={trans.__('Prices')}
        value={value.kind}
        options={feedKinds(account).map(kind => [kind, words[kind]] as const)}
        onChange={kind => {
          onChange({ kind: kind as FeedKind | 'own', speed: SPEEDS[kind] ?? value.speed });
        }}
      />
      {account.broker !== 'paper' && (
        <p className="wb-quiet">
          {trans.__('Past prices are replayed on paper accounts alone: orders here are real.')}
        </p>
      )}
      {(value.kind === 'bars' || value.kind === 'ticks') && (
        <>
          <TextInput
            label={trans.__('Replay from')}
            hint={trans.__('A day as in 2017-03-01; empty for four weeks before the end.')}
            pattern="\d{4}-\d{2}-\d{2}"
            optional
            value={value.start}
            onChange={start => {
              onChange({ start });
            }}
          />
          <TextInput
            label={trans.__('Replay up to')}
            hint={trans.__('The first day left out; empty for all of the data.')}
            pattern="\d{4}-\d{2}-\d{2}"
            optional
            value={value.end}
            onChange={end => {
              onChange({ end });
            }}
          />
          <TextInput
            label={value.kind === 'bars' ? trans.__('Bars a second') : trans.__('Ticks a second')}
            hint={trans.__('0: as fast as it goes.')}
            pattern="\d{1,6}(\.\d+)?"
            value={value.speed}
            onChange={speed => {
              onChange({ speed });
            }}
          />
        </>
      )}
      {value.kind === 'stream' && (
        <>
          <TextInput
            label={trans.__('Source of the quotes')}
            hint={sourceHint(account, sources, trans)}
            value={value.source}
            onChange={source => {
              onChange({ source });
            }}
          />
          <Check
            label={trans.__('Every quote, also where the strategy is slower')}
            value={value.everyQuote}
            onChange={everyQuote => {
              onChange({ everyQuote });
            }}
          />
        </>
      )}
    </>
  );
}

/** What the form begins with. */
export function firstValue(
  releaseId: ReleaseId,
  account: IAccount,
  sources: readonly string[]
): IDeployValue {
  return {
    releaseId,
    accountId: account.id,
    typed: '',
    start: '',
    end: '',
    everyQuote: false,
    ...firstFeed(account, sources)
  };
}

/** The feed that was chosen; null for the account's own. */
export function feedOf(value: IDeployValue): IFeed | null {
  const { kind, start, end, speed, source, everyQuote } = value;
  return kind === 'own'
    ? null
    : { kind, start, end, perSecond: Number(speed), source: source.trim(), everyQuote };
}

function firstFeed(
  account: IAccount,
  sources: readonly string[]
): Pick<IDeployValue, 'kind' | 'speed' | 'source'> {
  const kind = feedKinds(account)[0] ?? 'stream';
  const source = account.broker === 'paper' ? (sources[0] ?? '') : BROKER;
  return { kind, speed: SPEEDS[kind] ?? '', source };
}

/** The feeds that an account can have: past prices send no orders to a broker. */
function feedKinds(account: IAccount): readonly (FeedKind | 'own')[] {
  const own = account.feed === '' ? [] : (['own'] as const);
  return account.broker === 'paper' ? [...own, 'bars', 'ticks', 'stream'] : [...own, 'stream'];
}

function sourceHint(
  account: IAccount,
  sources: readonly string[],
  trans: TranslationBundle
): string {
  const now =
    sources.length === 0
      ? trans.__('Nobody publishes quotes here now.')
      : trans.__('Publishing now: %1.', sources.join(', '));
  return account.broker === 'paper'
    ? now
    : `${trans.__('%1 is the stream of the account’s own broker.', BROKER)} ${now}`;
}

function accountWords(account: IAccount): string {
  const where =
    account.broker === 'paper' ? formatMoney(account.balance, account.currency) : account.currency;
  return `${account.id} (${account.broker}, ${where})`;
}

/** A regular expression that matches just this text. */
function literal(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
