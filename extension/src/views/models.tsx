/** Models: who serves, who challenges, and every version with its metrics and gates. */

import { closeIcon, undoIcon } from '@jupyterlab/ui-components';
import { useMemo, useState } from 'react';
import type { ModelSummary, ModelVersion } from '../api';
import { Ago } from '../components/clock';
import { useArg, usePanel, useProject, useTrans } from '../components/context';
import { MetricFigure, rounded, intervalText } from '../components/figures';
import { Frame } from '../components/frame';
import { compareIcon, historyIcon, modelIcon } from '../components/icons';
import { Loaded, Notice } from '../components/states';
import { Table, type IColumn } from '../components/table';
import { Search, Spacer, ToolButton } from '../components/toolbar';
import {
  gateCount,
  heldBefore,
  holder,
  matchesVersion,
  metricDomain,
  metricNames,
  STATUSES
} from '../model/models';
import { CommandIDs, type Trans } from '../tokens';
import { useHistory, useModels, useVersions } from './modelserver';
import { rollback } from './promoting';
import { Timeline } from './timeline';
import { GateSummary, VersionName, VersionState, versionStatusText } from './versionmarks';
import type { IView } from './view';

/** Metrics that have a column of their own. */
const COLUMNS = 3;

export const modelsView: IView = {
  id: 'models',
  icon: modelIcon,
  component: Models,
  title: trans => trans.__('Models'),
  caption: trans => trans.__('Versions, champion and challenger, gates and promotions'),
  listed: true
};

function Models(): JSX.Element {
  const trans = useTrans();
  const panel = usePanel();
  const project = useProject();
  const models = useModels();
  const [asked, setAsked] = useArg<string>('model', '');
  const known = models.value?.models ?? [];
  const summary = known.find(one => one.model === asked) ?? known[0] ?? null;
  const model = summary?.model ?? '';
  const versions = useVersions(model);
  const history = useHistory(model);
  const [text, setText] = useArg<string>('text', '');
  const [status, setStatus] = useArg<string>('status', '');
  const [showHistory, setShowHistory] = useArg<boolean>('history', false);
  const [chosen, setChosen] = useState(new Set<string>());
  const refresh = () =>
    void Promise.all([models.refresh(), versions.refresh(), history.refresh()]);

  const pair = [...chosen].map(Number).sort((a, b) => a - b);
  const champion = holder(summary, 'champion');
  const before = heldBefore(history.value?.entries ?? [], 'champion', champion);
  return (
    <Frame
      label={trans.__('Models')}
      onRefresh={refresh}
      toolbar={
        summary && (
          <>
            {known.length > 1 && (
              <select
                className="mn-Select"
                aria-label={trans.__('Model')}
                value={model}
                onChange={event => {
                  setAsked(event.target.value);
                  setChosen(new Set());
                }}
              >
                {known.map(one => (
                  <option key={one.model} value={one.model}>
                    {one.model}
                  </option>
                ))}
              </select>
            )}
            <ToolButton
              icon={compareIcon}
              label={trans.__('Compare')}
              title={trans.__('Compare two versions; choose them in the table')}
              disabled={pair.length !== 2}
              onClick={() =>
                void panel.commands.execute(CommandIDs.openVersions, {
                  model,
                  left: String(pair[0]),
                  right: String(pair[1])
                })
              }
              wordy
            />
            <ToolButton
              icon={undoIcon}
              label={trans.__('Roll Back…')}
              title={trans.__('Give champion back to the version that held it before')}
              disabled={!champion || !before}
              onClick={() =>
                void rollback(panel, project, summary, before).then(
                  done => done && refresh()
                )
              }
              wordy
            />
            <ToolButton
              icon={historyIcon}
              label={trans.__('History')}
              pressed={showHistory}
              onClick={() => setShowHistory(!showHistory)}
              wordy
            />
            <Spacer />
            <Search label={trans.__('Search versions')} value={text} onChange={setText} />
            <select
              className="mn-Select"
              aria-label={trans.__('Status')}
              value={status}
              onChange={event => setStatus(event.target.value)}
            >
              <option value="">{trans.__('Every status')}</option>
              {STATUSES.map(one => (
                <option key={one} value={one}>
                  {versionStatusText(one, trans)}
                </option>
              ))}
            </select>
          </>
        )
      }
    >
      <Loaded
        snapshot={models.snapshot}
        what={trans.__('Reading the registry…')}
        onRetry={refresh}
      >
        {() =>
          summary ? (
            <div className="mn-Split">
              <div className="mn-Scroll">
                <Holders summary={summary} />
                <Loaded
                  snapshot={versions.snapshot}
                  what={trans.__('Reading the versions…')}
                  onRetry={refresh}
                >
                  {list => (
                    <Versions
                      versions={list.versions}
                      text={text}
                      status={status}
                      chosen={chosen}
                      onChoose={setChosen}
                      onOpen={version =>
                        void panel.commands.execute(CommandIDs.openVersion, {
                          model,
                          version: String(version.version)
                        })
                      }
                    />
                  )}
                </Loaded>
              </div>
              {showHistory && (
                <aside className="mn-Details" aria-label={trans.__('History')}>
                  <header>
                    <h2>{trans.__('History')}</h2>
                    <Spacer />
                    <ToolButton
                      icon={closeIcon}
                      label={trans.__('Close')}
                      onClick={() => setShowHistory(false)}
                    />
                  </header>
                  <Loaded
                    snapshot={history.snapshot}
                    what={trans.__('Reading the ledger…')}
                    onRetry={refresh}
                  >
                    {found => <Timeline entries={found.entries} />}
                  </Loaded>
                </aside>
              )}
            </div>
          ) : (
            <NoModels />
          )
        }
      </Loaded>
    </Frame>
  );
}

/** Champion and challenger side by side. */
function Holders(props: { summary: ModelSummary }): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const { model, champion, challenger } = props.summary;
  return (
    <div className="mn-Holders">
      <Holder
        title={trans.__('Champion')}
        version={champion}
        none={trans.__('Nobody yet: open a version and promote it.')}
      />
      <Holder
        title={trans.__('Challenger')}
        version={challenger}
        none={trans.__('Nobody challenges it.')}
      />
      {champion && challenger && (
        <button
          type="button"
          className="mn-Button jp-mod-styled jp-mod-reject"
          onClick={() =>
            void commands.execute(CommandIDs.openVersions, {
              model,
              left: 'champion',
              right: 'challenger'
            })
          }
        >
          {trans.__('Compare both')}
        </button>
      )}
    </div>
  );
}

function Holder(props: {
  title: string;
  version: ModelVersion | null;
  none: string;
}): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const { version } = props;
  return (
    <section className="mn-Holder" aria-label={props.title}>
      <h3>{props.title}</h3>
      {version ? (
        <>
          <div>
            <button
              type="button"
              className="mn-Link"
              onClick={() =>
                void commands.execute(CommandIDs.openVersion, {
                  model: version.model,
                  version: String(version.version)
                })
              }
            >
              {version.model} v{version.version}
            </button>{' '}
            <span className="mn-quiet">
              {trans.__('by %1', version.actor)} · <Ago time={version.created} />
            </span>
          </div>
          <div className="mn-Holder-metrics">
            {Object.entries(version.metrics).map(([name, metric]) => (
              <span key={name}>
                <span className="mn-quiet">{name}</span> {rounded(metric.value)}{' '}
                <span className="mn-quiet mn-number">{intervalText(metric, trans)}</span>
              </span>
            ))}
          </div>
        </>
      ) : (
        <div className="mn-quiet">{props.none}</div>
      )}
    </section>
  );
}

function Versions(props: {
  versions: readonly ModelVersion[];
  text: string;
  status: string;
  chosen: ReadonlySet<string>;
  onChoose: (chosen: Set<string>) => void;
  onOpen: (version: ModelVersion) => void;
}): JSX.Element {
  const trans = useTrans();
  const { versions, text, status } = props;
  const columns = useMemo(() => columnsOf(versions, trans), [versions, trans]);
  const rows = versions.filter(version => matchesVersion(version, { text, status }));
  if (!rows.length) {
    return (
      <Notice title={trans.__('No version matches')} role="status">
        {trans.__('Clear the search, or choose another status.')}
      </Notice>
    );
  }
  return (
    <Table
      label={trans.__('Versions')}
      columns={columns}
      rows={rows}
      keyOf={version => String(version.version)}
      nameOf={version => trans.__('version %1', version.version)}
      onOpen={props.onOpen}
      chosen={props.chosen}
      onChoose={props.onChoose}
    />
  );
}

function columnsOf(
  versions: readonly ModelVersion[],
  trans: Trans
): IColumn<ModelVersion>[] {
  const metrics = metricNames(versions)
    .slice(0, COLUMNS)
    .map((name, index): IColumn<ModelVersion> => {
      const domain = metricDomain(versions.map(version => version.metrics[name]));
      return {
        id: `metric ${name}`,
        header: name,
        render: version => <MetricFigure metric={version.metrics[name]} domain={domain} />,
        sort: version => version.metrics[name]?.value ?? null,
        wide: index > 0
      };
    });
  return [
    {
      id: 'version',
      header: trans.__('Version'),
      render: version => <VersionName version={version} />,
      sort: version => version.version
    },
    {
      id: 'status',
      header: trans.__('Status'),
      render: version => <VersionState version={version} />,
      sort: version => version.status
    },
    ...metrics,
    {
      id: 'gates',
      header: trans.__('Gates'),
      render: version => <GateSummary version={version} />,
      sort: version => {
        const { passed, total } = gateCount(version);
        return total ? passed / total : null;
      }
    },
    {
      id: 'age',
      header: trans.__('Registered'),
      render: version => <Ago time={version.created} />,
      sort: version => version.created,
      wide: true
    },
    {
      id: 'actor',
      header: trans.__('By'),
      render: version => version.actor,
      sort: version => version.actor,
      wide: true
    }
  ];
}

function NoModels(): JSX.Element {
  const trans = useTrans();
  return (
    <Notice title={trans.__('No model is registered yet')}>
      <p>{trans.__('Save one in a notebook, and register it in the task that follows:')}</p>
      <pre>
        {[
          'import mlops_nb',
          'mlops_nb.save_model(model, folder, metrics=metrics, example=X)',
          'mlops_nb.register_model(folder, "my-model")'
        ].join('\n')}
      </pre>
    </Notice>
  );
}
