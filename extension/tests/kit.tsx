/** What tests of views share: a panel whose server answers from a table. */

import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { render, waitFor } from '@testing-library/react';
import axe from 'axe-core';
import type { RunList, RunSummary, RunTaskView, RunView } from '../src/api';
import { PanelProvider, type IPanel, type ViewArgs } from '../src/components/context';
import { PanelModel } from '../src/model/panel';
import { makeApi } from '../src/request';
import type { IView } from '../src/views/view';

export type Answer = unknown | ((request: Request) => unknown | Response);

/** Requests that a fake server got, and what it answers by `METHOD path`. */
export class FakeServer {
  constructor(readonly answers: Record<string, Answer> = {}) {
    Object.assign(this.answers, {
      'GET /about': { version: '0', api: 1, root: 'root', events: 'schema', features: [] },
      'GET /projects': { projects: [{ path: '', name: 'flights', spec: 'pipeline.yaml' }] },
      ...answers
    });
  }

  readonly requests: { route: string; query: URLSearchParams; body: unknown }[] = [];

  readonly settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost:8888/',
    wsUrl: 'ws://localhost:8888/',
    fetch: (async (input: RequestInfo) => this._answer(input as Request)) as typeof fetch
  });

  private async _answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const route = `${request.method} ${url.pathname.replace('/mlops-nb/v1', '')}`;
    const text = await request.clone().text();
    this.requests.push({ route, query: url.searchParams, body: text && JSON.parse(text) });
    if (!(route in this.answers)) {
      return new Response('<html>404</html>', { status: 404 });
    }
    const answer = this.answers[route];
    const found = typeof answer === 'function' ? await answer(request) : answer;
    return found instanceof Response ? found : json(found);
  }
}

export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status });
}

/** What the server says of an error. */
export function refusal(status: number, error: Record<string, string>): Response {
  return json(
    { error: { kind: 'Error', message: '', where: '', fix: '', ...error } },
    status
  );
}

export interface IFakePanel extends IPanel {
  readonly server: FakeServer;
  /** Emit an event on the bus, as Jupyter does. */
  tell(event: Record<string, unknown>): void;
  /** Commands that were executed, with their arguments. */
  readonly executed: [string, unknown][];
}

export async function fakePanel(answers: Record<string, Answer> = {}): Promise<IFakePanel> {
  const server = new FakeServer(answers);
  const owner = {};
  const stream = new Signal<object, never>(owner);
  const model = new PanelModel(
    makeApi(server.settings),
    server.settings.baseUrl,
    stream as never
  );
  const commands = new CommandRegistry();
  const executed: [string, unknown][] = [];
  commands.commandExecuted.connect((_, args) => executed.push([args.id, args.args]));
  await model.load();
  return {
    model,
    commands,
    trans: nullTranslator.load(''),
    server,
    executed,
    tell: event =>
      stream.emit({
        schema_id: 'schema',
        project: '',
        task: '',
        data: {},
        ...event
      } as never)
  };
}

/** Register commands that do nothing, so that their buttons appear. */
export function stubCommands(panel: IPanel, ...ids: string[]): void {
  for (const id of ids) {
    panel.commands.addCommand(id, { label: id, execute: () => undefined });
  }
}

class FakeArgs implements ViewArgs {
  constructor(public snapshot: JSONObject) {}
  readonly changed = new Signal<this, void>(this);
  set(args: JSONObject): void {
    this.snapshot = { ...this.snapshot, ...args };
    this.changed.emit();
  }
}

export function renderView(panel: IPanel, view: IView, args: JSONObject = {}) {
  const View = view.component;
  return render(
    <PanelProvider panel={panel} args={new FakeArgs(args)}>
      <View />
    </PanelProvider>
  );
}

/** JupyterLab's dialog, as soon as it is open; jsdom does not see it as one. */
export async function dialog(): Promise<HTMLElement> {
  return waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-Dialog-content');
    if (!found?.querySelector('button')) {
      throw new Error('no dialog is open');
    }
    return found;
  });
}

/** The ids of the rules that axe finds broken. */
export async function violations(node: Element): Promise<string[]> {
  const found = await axe.run(node, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } }
  });
  return found.violations.map(rule => `${rule.id}: ${rule.nodes[0]?.html}`);
}

export function summary(id: string, more: Partial<RunSummary> = {}): RunSummary {
  return {
    id,
    status: 'succeeded',
    trigger: 'manual',
    started: 1_790_000_000,
    ended: 1_790_000_012,
    seconds: 12,
    parameters: {},
    metrics: {},
    targets: [],
    user: 'ann',
    host: 'here',
    git_commit: '',
    dirty: false,
    counts: { succeeded: 2 },
    tasks: 2,
    failed: [],
    resumed_from: '',
    last_seq: 10,
    ...more
  };
}

export function runList(runs: RunSummary[], more: Partial<RunList> = {}): RunList {
  return { runs, active: [], total: runs.length, before: '', ...more };
}

export function task(name: string, more: Partial<RunTaskView> = {}): RunTaskView {
  return {
    task: name,
    status: 'pending',
    why: '',
    attempt: 0,
    started: null,
    ended: null,
    seconds: null,
    kernel: '',
    error: null,
    peak_mb: null,
    cells: [],
    cells_total: 0,
    cells_done: 0,
    notebook: '',
    report: '',
    log: '',
    ...more
  };
}

export function runOf(sum: RunSummary, tasks: RunTaskView[]): RunView {
  return {
    summary: sum,
    facts: { id: sum.id, pipeline: 'flights', started: sum.started } as RunView['facts'],
    tasks,
    folder: `.mlops/runs/${sum.id}`,
    report: '',
    log: ''
  };
}
