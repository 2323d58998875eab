/** States as icon and text, never by colour alone. */

import type { NodeState } from '../model/graph';
import type { RunStatus, TaskStatus, Trans } from '../tokens';
import { useTrans } from './context';
import { Glyph, type GlyphName } from './icons';

/** The colour family of a state; CSS gives it JupyterLab's colours. */
export type Tone = 'good' | 'bad' | 'busy' | 'warn' | 'calm';

interface ILook {
  readonly glyph: GlyphName;
  readonly tone: Tone;
}

/** Any state that has an icon and words. */
export type AnyState = TaskStatus | RunStatus | NodeState;

const LOOKS: Record<AnyState, ILook> = {
  pending: { glyph: 'waiting', tone: 'calm' },
  running: { glyph: 'running', tone: 'busy' },
  succeeded: { glyph: 'done', tone: 'good' },
  skipped: { glyph: 'done', tone: 'good' },
  restored: { glyph: 'restored', tone: 'good' },
  failed: { glyph: 'failed', tone: 'bad' },
  'timed-out': { glyph: 'waiting', tone: 'bad' },
  died: { glyph: 'failed', tone: 'bad' },
  exited: { glyph: 'stopped', tone: 'bad' },
  cancelled: { glyph: 'stopped', tone: 'warn' },
  blocked: { glyph: 'blocked', tone: 'warn' },
  lost: { glyph: 'unknown', tone: 'warn' },
  fresh: { glyph: 'done', tone: 'good' },
  stale: { glyph: 'stale', tone: 'warn' },
  restore: { glyph: 'restored', tone: 'busy' },
  outside: { glyph: 'skipped', tone: 'calm' }
};

export function lookOf(status: AnyState): ILook {
  return LOOKS[status] ?? { glyph: 'unknown', tone: 'calm' };
}

/** The state in words. */
export function statusText(status: AnyState, trans: Trans): string {
  switch (status) {
    case 'pending':
      return trans.__('waiting');
    case 'running':
      return trans.__('running');
    case 'succeeded':
      return trans.__('succeeded');
    case 'skipped':
      return trans.__('up to date');
    case 'restored':
      return trans.__('restored from cache');
    case 'failed':
      return trans.__('failed');
    case 'timed-out':
      return trans.__('timed out');
    case 'died':
      return trans.__('kernel died');
    case 'exited':
      return trans.__('exited early');
    case 'cancelled':
      return trans.__('cancelled');
    case 'blocked':
      return trans.__('blocked');
    case 'lost':
      return trans.__('lost');
    case 'fresh':
      return trans.__('up to date');
    case 'stale':
      return trans.__('would run');
    case 'restore':
      return trans.__('would be restored');
    case 'outside':
      return trans.__('not in this run');
    default:
      return status;
  }
}

/** A state with its icon and words. */
export function Status(props: { status: AnyState; text?: string }): JSX.Element {
  const trans = useTrans();
  const look = lookOf(props.status);
  return (
    <Mark glyph={look.glyph} tone={look.tone}>
      {props.text ?? statusText(props.status, trans)}
    </Mark>
  );
}

/** An icon and words of any meaning: alerts, gates, schedules. */
export function Mark(props: {
  glyph: GlyphName;
  tone: Tone;
  title?: string;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <span className={`mn-Mark mn-tone-${props.tone}`} title={props.title}>
      <Glyph name={props.glyph} />
      <span>{props.children}</span>
    </span>
  );
}
