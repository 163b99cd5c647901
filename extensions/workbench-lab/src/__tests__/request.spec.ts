/** @jest-environment node */
import { ServerConnection } from '@jupyterlab/services';
import { createServer, Server } from 'http';
import type { AddressInfo } from 'net';

import { RefusedError, ServerApi } from '../request';
import type { IFrame, ReleaseId } from '../tokens';
import { rawFrame, rawRelease } from './examples';

interface ISent {
  readonly url: string;
  readonly method: string;
  readonly body: unknown;
}

class FakeSocket {
  static made: FakeSocket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  close(): void {
    this.closed = true;
  }
}

let server: Server;
let sent: ISent[] = [];
let status = 200;
let answer: unknown = null;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', part => (body += String(part)));
    request.on('end', () => {
      sent.push({
        url: request.url ?? '',
        method: request.method ?? '',
        body: body === '' ? null : JSON.parse(body)
      });
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** The API over a server that answers each request with `code` and `value`. */
function made(code: number, value: unknown): ServerApi {
  [sent, status, answer] = [[], code, value];
  const { port } = server.address() as AddressInfo;
  return new ServerApi(
    ServerConnection.makeSettings({
      baseUrl: `http://127.0.0.1:${port}/user/sarah/`,
      wsUrl: `ws://127.0.0.1:${port}/user/sarah/`,
      token: 's&cret',
      appendToken: true,
      WebSocket: FakeSocket as unknown as typeof WebSocket
    })
  );
}

describe('requests', () => {
  it('go to the server under its base address, and the answer is parsed', async () => {
    const api = made(200, { releases: [rawRelease()] });
    expect((await api.releases())[0]?.name).toBe('sma_cross');
    expect(sent[0]?.url).toMatch(/^\/user\/sarah\/workbench\/api\/v1\/releases/);
    expect(sent[0]?.method).toBe('GET');
  });

  it('send bodies in the server’s names and leave out what is not given', async () => {
    const api = made(200, { said: 'Deployed.' });
    const releaseId = 'ab'.repeat(32) as ReleaseId;
    const feed = { start: '', end: '', perSecond: 0, source: 'demo', everyQuote: true };
    await api.deploy({ releaseId, accountId: 'paper-1', feed: null });
    await api.deploy({ releaseId, accountId: 'paper-1', feed: { ...feed, kind: 'ticks' } });
    await api.deploy({ releaseId, accountId: 'paper-1', feed: { ...feed, kind: 'stream' } });
    expect(sent.map(item => item.body)).toEqual([
      { release_id: releaseId, account_id: 'paper-1' },
      { release_id: releaseId, account_id: 'paper-1', feed: { kind: 'ticks', per_second: 0 } },
      {
        release_id: releaseId,
        account_id: 'paper-1',
        feed: { kind: 'stream', source: 'demo', every_quote: true }
      }
    ]);
    expect(sent[0]?.method).toBe('POST');
  });

  it('tell a refusal by the server’s sentence', async () => {
    const refused = made(403, { error: 'alex may not kill; ask an administrator' }).kill(
      'all',
      'x'
    );
    await expect(refused).rejects.toThrow('alex may not kill; ask an administrator');
    await expect(made(502, 'nonsense').me()).rejects.toThrow(new RefusedError(502, 'Bad Gateway'));
  });

  it('refuse an answer that is not what was asked for', async () => {
    await expect(made(200, { releases: [{}] }).releases()).rejects.toThrow(
      'answer.releases[0].id: expected a text'
    );
  });
});

describe('the stream', () => {
  it('hands over frames, and says when one is none', () => {
    const frames: IFrame[] = [];
    const problems: string[] = [];
    const stream = made(200, {}).openStream({
      onOpen: () => undefined,
      onFrame: frame => frames.push(frame),
      onProblem: sentence => problems.push(sentence),
      onClose: () => problems.push('closed')
    });
    const socket = FakeSocket.made.slice(-1)[0]!;
    expect(socket.url).toEqual(
      expect.stringMatching(/\/user\/sarah\/workbench\/api\/v1\/stream\?token=s%26cret$/)
    );
    socket.onmessage!({ data: JSON.stringify(rawFrame({ seq: 7 })) });
    socket.onmessage!({ data: '{"seq": "x"}' });
    expect(frames.map(frame => frame.seq)).toEqual([7]);
    expect(problems).toEqual(['frame.seq: expected a number, found "x"']);
    stream.close();
    expect([socket.closed, socket.onclose]).toEqual([true, null]);
  });
});
