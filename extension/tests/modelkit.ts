/** Models, versions, gates and the ledger as the server tells them. */

import type {
  Gates,
  GateState,
  LedgerEntry,
  Metric,
  ModelSummary,
  ModelVersion,
  VersionDetails
} from '../src/api';
import { json, type Answer } from './kit';

export function metric(value: number, better = 'higher'): Metric {
  return { value, low: value - 0.05, high: value + 0.05, better, n: 1000 };
}

export function version(number: number, more: Partial<ModelVersion> = {}): ModelVersion {
  return {
    model: 'trips',
    version: number,
    digest: 'ab'.repeat(32),
    created: 1_790_000_000,
    actor: 'ann',
    source: '',
    format: 'skops',
    estimator: 'sklearn.linear_model.LogisticRegression',
    status: 'registered',
    aliases: [],
    metrics: { roc_auc: metric(0.7 + number / 100), brier: metric(0.2, 'lower') },
    gates: {},
    forced: false,
    run_id: 'run-1',
    mlflow_run_id: '',
    git_commit: 'cafe'.repeat(10),
    data_digests: {},
    size: 9_450_000,
    comment: '',
    origin: '',
    outside: false,
    ...more
  };
}

export function entry(seq: number, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    seq,
    time: 1_790_000_000 + seq,
    kind: 'registered',
    model: 'trips',
    version: 1,
    alias: '',
    previous: 0,
    actor: 'ann',
    reason: '',
    forced: false,
    digest: '',
    git_commit: '',
    run_id: '',
    payload: {},
    before: '',
    hash: '',
    ...more
  };
}

export function gate(name: string, ok: boolean, text = ''): GateState {
  return {
    gate: name,
    kind: 'metric',
    ok,
    text,
    result: {
      gate: name,
      kind: 'metric',
      passed: ok,
      reason: text,
      digest: '',
      settings: '',
      champion: 1,
      relative: false,
      evidence: { metric: metric(0.7) },
      seconds: 1,
      origin: '',
      seq: 4
    }
  };
}

export function gates(...states: GateState[]): Gates {
  return {
    model: 'trips',
    version: 2,
    alias: 'champion',
    gates: states,
    results: [],
    ready: states.every(one => one.ok)
  };
}

export const FIRST = version(1, {
  status: 'approved',
  aliases: ['champion'],
  gates: { good: { passed: true, reason: '0.71', seq: 2 } as never }
});
export const SECOND = version(2);

export const SUMMARY: ModelSummary = {
  model: 'trips',
  versions: 2,
  latest: SECOND,
  champion: FIRST,
  challenger: null,
  aliases: { champion: 1 }
};

export const DETAILS: VersionDetails = {
  version: SECOND,
  info: {
    name: 'trips',
    digest: SECOND.digest,
    format: 'skops',
    estimator: SECOND.estimator,
    created: SECOND.created,
    files: [],
    takes: 'frame',
    signature: { inputs: [{ name: 'a', type: 'double', nullable: false }], outputs: [] },
    requirements: ['scikit-learn==1.7'],
    python: '3.11',
    run_id: 'run-1',
    git_commit: '',
    data_digests: {},
    metrics: {},
    params: {},
    profiles: {},
    slices: [],
    card: { summary: 'Late or not.', data: '', limits: '', owner: '' }
  } as unknown as VersionDetails['info'],
  entries: [entry(3, { version: 2 })]
};

const PATH = '/models/trips';

/** A registry of two versions, the first one champion; the second has these gates. */
export function registry(
  board: Gates,
  more: Record<string, Answer> = {}
): Record<string, Answer> {
  return {
    'GET /models': { models: [SUMMARY] },
    [`GET ${PATH}/versions`]: { model: 'trips', versions: [SECOND, FIRST] },
    [`GET ${PATH}/versions/2`]: DETAILS,
    [`GET ${PATH}/versions/2/gates`]: () => json(board),
    [`GET ${PATH}/history`]: {
      model: 'trips',
      entries: [
        entry(1),
        entry(2, { kind: 'promoted', version: 1, alias: 'champion', reason: 'the first' })
      ]
    },
    ...more
  };
}
