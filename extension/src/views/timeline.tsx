/** The ledger as a timeline, the latest first. */

import type { LedgerEntry } from '../api';
import { Ago } from '../components/clock';
import { useTrans } from '../components/context';
import { Glyph, type GlyphName } from '../components/icons';
import type { Tone } from '../components/status';
import { timeline, type IMoment } from '../model/models';
import type { Trans } from '../tokens';

/** What happened to a model, or to one of its versions. */
export function Timeline(props: {
  entries: readonly LedgerEntry[];
  version?: number;
}): JSX.Element {
  const trans = useTrans();
  const moments = timeline(props.entries, props.version);
  if (!moments.length) {
    return <p className="mn-quiet">{trans.__('Nothing was recorded yet.')}</p>;
  }
  return (
    <ol className="mn-Timeline">
      {moments.map(moment => (
        <Moment key={moment.seq} moment={moment} />
      ))}
    </ol>
  );
}

function Moment(props: { moment: IMoment }): JSX.Element {
  const trans = useTrans();
  const { entry, entries } = props.moment;
  const [glyph, tone] = lookOf(props.moment);
  const failed = failedGates(entries);
  const reason = entry.kind === 'gate' ? failed.join('; ') : entry.reason;
  const [last] = entries.slice(-1);
  return (
    <li className={`mn-tone-${entry.forced ? 'bad' : tone}`}>
      <Glyph name={glyph} />
      <div>
        <div>
          <strong>{headline(props.moment, trans)}</strong>
          {entry.forced && (
            <span className="mn-Chip mn-tone-bad">{trans.__('forced')}</span>
          )}
        </div>
        <div className="mn-quiet">
          {entry.actor && <>{trans.__('by %1', entry.actor)} · </>}
          <Ago time={last.time} />{' '}
          <span title={trans.__('Row of the ledger')}>#{last.seq}</span>
        </div>
        {reason && <div className="mn-Timeline-reason">{reason}</div>}
      </div>
    </li>
  );
}

function failedGates(entries: readonly LedgerEntry[]): string[] {
  return entries
    .filter(entry => entry.kind === 'gate' && entry.payload.passed === false)
    .map(entry => entry.reason);
}

function lookOf(moment: IMoment): [GlyphName, Tone] {
  switch (moment.entry.kind) {
    case 'gate':
      return failedGates(moment.entries).length ? ['failed', 'bad'] : ['done', 'good'];
    case 'approved':
      return ['done', 'good'];
    case 'promoted':
      return ['running', 'busy'];
    case 'rejected':
      return ['failed', 'bad'];
    case 'rolled-back':
      return ['stopped', 'warn'];
    case 'unpickled':
      return ['warning', 'warn'];
    case 'deleted':
      return ['blocked', 'calm'];
    default:
      return ['waiting', 'calm'];
  }
}

function headline(moment: IMoment, trans: Trans): string {
  const { entry, entries } = moment;
  const { version, alias, previous } = entry;
  switch (entry.kind) {
    case 'registered':
      return trans.__('v%1 registered', version);
    case 'gate': {
      const total = entries.length;
      return trans.__(
        'v%1: %2 of %3 gates passed',
        version,
        total - failedGates(entries).length,
        total
      );
    }
    case 'approved':
      return trans.__('v%1 approved', version);
    case 'rejected':
      return trans.__('v%1 rejected', version);
    case 'promoted':
      return previous
        ? trans.__('%1: v%2 → v%3', alias, previous, version)
        : trans.__('%1: v%2', alias, version);
    case 'rolled-back':
      return trans.__('%1 rolled back: v%2 → v%3', alias, previous, version);
    case 'unaliased':
      return trans.__('v%1 is no longer %2', version, alias);
    case 'deleted':
      return trans.__('v%1 deleted', version);
    case 'unpickled':
      return trans.__('v%1: a pickle was loaded by choice', version);
    case 'mended':
      return trans.__('MLflow was made equal to the ledger again');
    default:
      return entry.kind;
  }
}
