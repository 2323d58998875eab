/** Exports: what each target would write, how that differs from the disk, writing it. */

import { saveIcon } from '@jupyterlab/ui-components';
import { useEffect, useMemo, useState } from 'react';
import type { ExportFile, ExportPreview, ExportTargets } from '../api';
import { useArg, useProject, useSnapshot, useTrans, usePanel } from '../components/context';
import { attempt, confirm } from '../components/dialogs';
import { Frame, useLoad } from '../components/frame';
import { exportIcon } from '../components/icons';
import { Announcer, Loaded, Notice } from '../components/states';
import { Spacer, ToolButton } from '../components/toolbar';
import { Resource } from '../model/resource';
import { got } from '../request';
import type { Trans } from '../tokens';
import { ExportFiles } from './exportfiles';
import type { IView } from './view';

export const exportView: IView = {
  id: 'export',
  icon: exportIcon,
  component: Export,
  title: trans => trans.__('Export'),
  caption: trans => trans.__('The pipeline for CI, containers and orchestrators'),
  listed: true
};

function Export(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const [target, setTarget] = useArg<string>('target', '');
  const [group, setGroup] = useArg<string>('group', '');
  const [said, setSaid] = useState('');
  const query = { project: project.path };
  const targets = useMemo(
    () =>
      new Resource<ExportTargets>(signal =>
        got(project.api.GET('/mlops-nb/v1/export', { params: { query }, signal }))
      ),
    [project]
  );
  const preview = useMemo(
    () =>
      new Resource<ExportPreview>(signal =>
        got(
          project.api.GET('/mlops-nb/v1/export/{target}', {
            params: { path: { target }, query: { ...query, group } },
            signal
          })
        )
      ),
    [project, target, group]
  );
  const shown = useSnapshot(preview);
  const refresh = async () => {
    await Promise.all([targets.refresh(), target && preview.refresh()]);
  };
  useLoad(() => targets.refresh(), [targets]);
  useLoad(async () => {
    if (target) {
      await preview.refresh();
    }
  }, [preview]);
  const title = targets.value?.targets.find(one => one.name === target)?.title ?? target;
  const changes = shown.value?.files.filter(one => one.state !== 'same') ?? [];
  const write = useWrite(target, title, group, changes);
  useEffect(() => setSaid(''), [preview]);

  return (
    <Frame
      label={trans.__('Export')}
      onRefresh={() => void refresh()}
      toolbar={
        <>
          <ToolButton
            icon={saveIcon}
            label={trans.__('Write the Files…')}
            title={
              changes.length
                ? trans.__('Write what differs into the project')
                : trans.__('Nothing differs from what is on the disk')
            }
            disabled={!changes.length || shown.loading || shown.error !== null}
            onClick={() =>
              void write().then(async text => {
                if (text) {
                  setSaid(text);
                  await preview.refresh();
                }
              })
            }
            wordy
          />
          <Spacer />
          <GroupChoice value={group} onChange={setGroup} />
        </>
      }
    >
      <Announcer text={said} />
      <Loaded
        snapshot={useSnapshot(targets)}
        what={trans.__('Looking for targets…')}
        onRetry={() => void refresh()}
      >
        {list =>
          list.targets.length ? (
            <div className="mn-Split">
              <Targets list={list} chosen={target} onChoose={setTarget} />
              <div className="mn-Export">
                {target ? (
                  <Loaded
                    snapshot={shown}
                    what={trans.__('Working out the files for %1…', title)}
                    onRetry={() => void preview.refresh()}
                  >
                    {value => <ExportFiles preview={value} title={title} said={said} />}
                  </Loaded>
                ) : (
                  <Notice title={trans.__('Where should the pipeline run?')} role="status">
                    {trans.__(
                      'Choose a target to see the files it gets, and how they differ from those in the project. Nothing is written before you say so.'
                    )}
                  </Notice>
                )}
              </div>
            </div>
          ) : (
            <Notice title={trans.__('No target is installed')} role="status">
              {trans.__(
                'Targets come with mlops-nb and with plugins; install mlops-nb anew.'
              )}
            </Notice>
          )
        }
      </Loaded>
    </Frame>
  );
}

/** Return what asks for consent, writes, and words what was done; empty where nothing was. */
function useWrite(
  target: string,
  title: string,
  group: string,
  changes: readonly ExportFile[]
): () => Promise<string> {
  const { trans } = usePanel();
  const project = useProject();
  return async () => {
    const removed = changes.filter(one => one.state === 'left-over');
    const sure = await confirm(trans, {
      title: trans.__('Write the files for %1?', title),
      body: `${countText(changes, trans, 'would')}: ${named(changes, trans)}. ${trans.__('They lie in the project; nothing is committed or sent.')}`,
      accept: trans.__('Write'),
      danger: removed.length > 0
    });
    if (!sure) {
      return '';
    }
    let text = '';
    await attempt(
      trans,
      () =>
        got(
          project.api.POST('/mlops-nb/v1/export/{target}', {
            params: { path: { target }, query: { project: project.path } },
            body: { group }
          })
        ),
      done => {
        text = `${title}: ${countText(done.files, trans, 'did')}.`;
        return ''; // the view itself says it
      }
    );
    return text;
  };
}

/** `2 files to write, 1 to remove`, or `2 files written, 1 removed`. */
function countText(
  files: readonly ExportFile[],
  trans: Trans,
  mood: 'would' | 'did'
): string {
  const removed = files.filter(one => one.state === 'left-over').length;
  const written = files.length - removed;
  const parts =
    mood === 'did'
      ? [
          written && trans._n('%1 file written', '%1 files written', written),
          removed && trans._n('%1 file removed', '%1 files removed', removed)
        ]
      : [
          written && trans._n('%1 file to write', '%1 files to write', written),
          removed && trans._n('%1 file to remove', '%1 files to remove', removed)
        ];
  return parts.filter(Boolean).join(', ') || trans.__('nothing had to be written');
}

function named(files: readonly ExportFile[], trans: Trans): string {
  const first = files.slice(0, 6).map(one => one.path);
  const more = files.length - first.length;
  return more ? trans.__('%1 and %2 more', first.join(', '), more) : first.join(', ');
}

function GroupChoice(props: {
  value: string;
  onChange: (value: string) => void;
}): JSX.Element {
  const trans = useTrans();
  return (
    <label className="mn-Labelled">
      {trans.__('Jobs')}
      <select
        className="mn-Select"
        value={props.value}
        title={trans.__('Which tasks share a job of the target')}
        onChange={event => props.onChange(event.target.value)}
      >
        <option value="">{trans.__('as the project says')}</option>
        <option value="none">{trans.__('one for each task')}</option>
        <option value="auto">{trans.__('short tasks together')}</option>
        <option value="by-level">{trans.__('one for each level')}</option>
      </select>
    </label>
  );
}

function Targets(props: {
  list: ExportTargets;
  chosen: string;
  onChoose: (name: string) => void;
}): JSX.Element {
  const trans = useTrans();
  return (
    <nav className="mn-Split-list" aria-label={trans.__('Targets')}>
      <ul className="mn-List mn-Targets">
        {props.list.targets.map(one => (
          <li key={one.name}>
            <button
              type="button"
              aria-current={one.name === props.chosen || undefined}
              onClick={() => props.onChoose(one.name)}
            >
              <span className="mn-Targets-title">{one.title}</span>
              <span className="mn-quiet">{one.description}</span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}
