/** How a version stands: its status, its aliases, its gates. */

import type { ModelVersion, VersionStatus } from '../api';
import { useTrans } from '../components/context';
import type { GlyphName } from '../components/icons';
import { Mark, type Tone } from '../components/status';
import { gateCount } from '../model/models';
import type { Trans } from '../tokens';

const LOOKS: Record<VersionStatus, [GlyphName, Tone]> = {
  registered: ['waiting', 'calm'],
  approved: ['done', 'good'],
  rejected: ['failed', 'bad'],
  'rolled-back': ['stopped', 'warn'],
  deleted: ['blocked', 'calm']
};

export function versionStatusText(status: VersionStatus, trans: Trans): string {
  switch (status) {
    case 'registered':
      return trans.__('registered');
    case 'approved':
      return trans.__('approved');
    case 'rejected':
      return trans.__('rejected');
    case 'rolled-back':
      return trans.__('rolled back');
    case 'deleted':
      return trans.__('deleted');
    default:
      return status;
  }
}

export function VersionState(props: { version: ModelVersion }): JSX.Element {
  const trans = useTrans();
  const { version } = props;
  const [glyph, tone] = LOOKS[version.status] ?? ['unknown', 'calm'];
  return (
    <Mark glyph={glyph} tone={tone} title={version.comment || undefined}>
      {versionStatusText(version.status, trans)}
    </Mark>
  );
}

/** `v5 champion`, with marks of what everyone should know. */
export function VersionName(props: { version: ModelVersion }): JSX.Element {
  const trans = useTrans();
  const { version } = props;
  return (
    <span className="mn-VersionName">
      <strong>v{version.version}</strong>
      {version.aliases.map(alias => (
        <Alias key={alias} name={alias} />
      ))}
      {version.forced && (
        <span
          className="mn-Chip mn-tone-bad"
          title={trans.__('It was once promoted against its gates')}
        >
          {trans.__('forced')}
        </span>
      )}
      {version.outside && (
        <span
          className="mn-Chip mn-tone-warn"
          title={trans.__('MLflow has this version, the ledger does not')}
        >
          {trans.__('outside the ledger')}
        </span>
      )}
    </span>
  );
}

export function Alias(props: { name: string }): JSX.Element {
  return (
    <span className={`mn-Chip ${props.name === 'champion' ? 'mn-mod-strong' : ''}`}>
      {props.name}
    </span>
  );
}

/** `6 of 6 passed`, or that nobody asked. */
export function GateSummary(props: { version: ModelVersion }): JSX.Element {
  const trans = useTrans();
  const { passed, total } = gateCount(props.version);
  if (!total) {
    return <span className="mn-quiet">{trans.__('not asked')}</span>;
  }
  const failed = Object.entries(props.version.gates).filter(([, mark]) => !mark.passed);
  return (
    <Mark
      glyph={failed.length ? 'failed' : 'done'}
      tone={failed.length ? 'bad' : 'good'}
      title={
        failed.map(([name, mark]) => `${name}: ${mark.reason}`).join('\n') || undefined
      }
    >
      {trans.__('%1 of %2 passed', passed, total)}
    </Mark>
  );
}
