import { parseFrame, parseMe, parseRefusal, parseReleases, parseRuns, ParseError } from '../parse';
import { rawDeployment, rawFrame, rawRelease, rawRun, RELEASE_ID } from './examples';

describe('parsing', () => {
  it('takes a frame as the server describes it', () => {
    const frame = parseFrame(rawFrame());
    expect(frame.status.mode).toBe('PAPER');
    expect(frame.deployments[0]).toMatchObject({
      releaseName: 'sma_cross',
      profit: '245.259999',
      lastDecision: { orders: [{ instrument: 'EUR_USD', units: 20000, reduceOnly: false }] }
    });
  });

  it('takes lists and what may be null in them', () => {
    expect(parseRuns({ runs: [rawRun({ started: null })] })[0]).toMatchObject({
      started: null,
      metrics: { sharpe: 1.23456, max_drawdown: null }
    });
    expect(parseReleases({ releases: [rawRelease()] })[0]?.id).toBe(RELEASE_ID);
  });

  it.each([
    [
      'a money that is a number',
      { equity: 100245.25 },
      'frame.deployments[0].equity: expected a decimal'
    ],
    [
      'an unknown state',
      { state: 'asleep' },
      'frame.deployments[0].state: expected one of starting'
    ],
    [
      'a missing field',
      { killed: undefined },
      'frame.deployments[0].killed: expected a text, found nothing'
    ],
    ['not a number', { restarts: Number.NaN }, 'frame.deployments[0].restarts: expected a number'],
    ['an object for a list', { positions: {} }, 'frame.deployments[0].positions: expected a list']
  ])('refuses %s and says where it is', (_, values, said) => {
    const frame = rawFrame({ deployments: [rawDeployment(values)] });
    expect(() => parseFrame(frame)).toThrow(ParseError);
    expect(() => parseFrame(frame)).toThrow(said);
  });

  it.each([null, 3, 'text', []])('refuses %p for a person', value => {
    expect(() => parseMe(value)).toThrow('me: expected an object');
  });

  it('takes the sentence of a refusal, and something else where there is none', () => {
    expect(parseRefusal({ error: 'ask an administrator' }, 'Forbidden')).toBe(
      'ask an administrator'
    );
    expect(parseRefusal({ error: '' }, 'Forbidden')).toBe('Forbidden');
    expect(parseRefusal(null, 'Bad Gateway')).toBe('Bad Gateway');
  });
});
