/** One version of a model: figures, gates with their evidence, what it is made of, its history. */

import { checkIcon, closeIcon } from '@jupyterlab/ui-components';
import type { Gates, ModelSummary, VersionDetails } from '../api';
import { Ago } from '../components/clock';
import { useArg, usePanel, useProject, useTrans } from '../components/context';
import { bytes, MetricFigure } from '../components/figures';
import { dateTime } from '../components/format';
import { Frame } from '../components/frame';
import { compareIcon, modelIcon, promoteIcon } from '../components/icons';
import { useServer, type IServed } from '../components/server';
import { Loaded } from '../components/states';
import { ToolButton } from '../components/toolbar';
import { holder, metricDomain } from '../model/models';
import { got } from '../request';
import { CommandIDs } from '../tokens';
import { GateList } from './gatelist';
import { MODEL_EVENTS, useModels } from './modelserver';
import { judge, promote } from './promoting';
import { Timeline } from './timeline';
import { VersionName, VersionState } from './versionmarks';
import type { IView } from './view';

export const versionView: IView = {
  id: 'version',
  icon: modelIcon,
  component: VersionPage,
  title: (trans, args) =>
    trans.__('%1 v%2', String(args.model ?? ''), String(args.version ?? '')),
  caption: trans => trans.__('One version of a model'),
  key: args => `${String(args.model)} ${String(args.version)}`,
  listed: false
};

function VersionPage(): JSX.Element {
  const trans = useTrans();
  const panel = usePanel();
  const project = useProject();
  const [model] = useArg<string>('model', '');
  const [version] = useArg<string>('version', '');
  const models = useModels();
  const details = useOf<VersionDetails>(model, version, '');
  const gates = useOf<Gates>(model, version, '/gates');
  const summary = models.value?.models.find(one => one.model === model) ?? null;
  const found = details.value?.version;
  const refresh = () =>
    void Promise.all([models.refresh(), details.refresh(), gates.refresh()]);
  const after = (work: Promise<boolean>) => void work.then(done => done && refresh());
  const subject = { project, model, version: found?.version ?? 0 };
  const isDeleted = found?.status === 'deleted';
  const champion = holder(summary, 'champion');
  return (
    <Frame
      label={trans.__('Version')}
      onRefresh={refresh}
      toolbar={
        found &&
        summary && (
          <>
            <ToolButton
              icon={promoteIcon}
              label={trans.__('Promote…')}
              title={
                gates.value?.ready
                  ? trans.__('Make it the champion')
                  : trans.__('Gates stand against it; shows which ones, and asks')
              }
              disabled={isDeleted || found.aliases.includes('champion')}
              onClick={() =>
                after(
                  promote(panel, subject, 'champion', summary, found.status === 'rejected')
                )
              }
              wordy
            />
            <ToolButton
              label={trans.__('Make Challenger…')}
              disabled={isDeleted || found.aliases.length > 0}
              onClick={() =>
                after(
                  promote(
                    panel,
                    subject,
                    'challenger',
                    summary,
                    found.status === 'rejected'
                  )
                )
              }
            />
            <ToolButton
              icon={checkIcon}
              label={trans.__('Approve…')}
              disabled={isDeleted}
              onClick={() => after(judge(panel, subject, true))}
              wordy
            />
            <ToolButton
              icon={closeIcon}
              label={trans.__('Reject…')}
              disabled={isDeleted}
              onClick={() => after(judge(panel, subject, false))}
              wordy
            />
            <ToolButton
              icon={compareIcon}
              label={trans.__('Compare with Champion')}
              disabled={!champion || champion === found.version}
              onClick={() =>
                void panel.commands.execute(CommandIDs.openVersions, {
                  model,
                  left: 'champion',
                  right: String(found.version)
                })
              }
              wordy
            />
          </>
        )
      }
    >
      <Loaded
        snapshot={details.snapshot}
        what={trans.__('Reading the version…')}
        onRetry={refresh}
      >
        {value => (
          <div className="mn-Scroll mn-Page">
            <Head details={value} summary={summary} />
            <div className="mn-Columns mn-mod-uneven">
              <div>
                <Figures details={value} />
                <section aria-label={trans.__('Gates')}>
                  <h3>{trans.__('Gates')}</h3>
                  <Loaded
                    snapshot={gates.snapshot}
                    what={trans.__('Counting the gates…')}
                    onRetry={() => void gates.refresh()}
                  >
                    {board => (
                      <GateList
                        gates={board}
                        holds={value.version.aliases.includes(board.alias)}
                        onChecked={refresh}
                      />
                    )}
                  </Loaded>
                </section>
                <About details={value} />
              </div>
              <section aria-label={trans.__('History')}>
                <h3>{trans.__('History')}</h3>
                <Timeline entries={value.entries} version={value.version.version} />
              </section>
            </div>
          </div>
        )}
      </Loaded>
    </Frame>
  );
}

function useOf<T>(model: string, version: string, more: '' | '/gates'): IServed<T> {
  return useServer<T>(
    (project, signal) =>
      got(
        project.api.GET(`/mlops-nb/v1/models/{model}/versions/{version}${more}`, {
          params: { path: { model, version }, query: { project: project.path } },
          signal
        }) as Promise<{ data?: T }>
      ),
    [model, version, more],
    { on: MODEL_EVENTS }
  );
}

function Head(props: {
  details: VersionDetails;
  summary: ModelSummary | null;
}): JSX.Element {
  const trans = useTrans();
  const { version, info } = props.details;
  return (
    <>
      <div className="mn-Head">
        <span>
          {version.model} <VersionName version={version} />
        </span>
        <VersionState version={version} />
        <span>
          <Ago time={version.created} />
        </span>
      </div>
      {version.comment && <blockquote className="mn-Quote">{version.comment}</blockquote>}
      {info.card.summary && <p className="mn-Prose">{info.card.summary}</p>}
      {version.forced && (
        <p className="mn-Danger">
          {trans.__('It was once promoted against its gates; see its history.')}
        </p>
      )}
    </>
  );
}

function Figures(props: { details: VersionDetails }): JSX.Element {
  const trans = useTrans();
  const metrics = Object.entries(props.details.version.metrics);
  return (
    <section aria-label={trans.__('Metrics')}>
      <h3>{trans.__('Metrics')}</h3>
      {metrics.length ? (
        <table className="mn-Table mn-mod-tight" aria-label={trans.__('Metrics')}>
          <thead>
            <tr>
              <th scope="col">{trans.__('Metric')}</th>
              <th scope="col">{trans.__('Value, 95% interval')}</th>
              <th scope="col">{trans.__('Better')}</th>
              <th scope="col" className="mn-mod-end">
                {trans.__('Rows')}
              </th>
            </tr>
          </thead>
          <tbody>
            {metrics.map(([name, metric]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <MetricFigure metric={metric} domain={metricDomain([metric])} wordy />
                </td>
                <td>
                  {metric.better === 'lower' ? trans.__('lower') : trans.__('higher')}
                </td>
                <td className="mn-mod-end mn-number">
                  {metric.n ? metric.n.toLocaleString() : ''}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="mn-quiet">{trans.__('It was registered without any.')}</p>
      )}
    </section>
  );
}

function About(props: { details: VersionDetails }): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const { version, info } = props.details;
  const run = version.run_id;
  const { card, signature } = info;
  return (
    <>
      <section aria-label={trans.__('Where it comes from')}>
        <h3>{trans.__('Where it comes from')}</h3>
        <dl className="mn-Facts">
          <Fact name={trans.__('Registered')}>
            {dateTime(version.created)} {trans.__('by %1', version.actor)}
          </Fact>
          <Fact name={trans.__('Run')}>
            {run && (
              <button
                type="button"
                className="mn-Link"
                onClick={() => void commands.execute(CommandIDs.openRun, { run })}
              >
                {run}
              </button>
            )}
          </Fact>
          <Fact name={trans.__('Commit')}>
            {version.git_commit && <code>{version.git_commit.slice(0, 10)}</code>}
          </Fact>
          <Fact name={trans.__('Owner')}>{card.owner}</Fact>
          <Fact name={trans.__('Estimator')}>
            <code>{info.estimator}</code>
          </Fact>
          <Fact name={trans.__('Format')}>{info.format}</Fact>
          <Fact name={trans.__('With its profiles and scores')}>{bytes(version.size)}</Fact>
          <Fact name="Python">{info.python}</Fact>
          <Fact name={trans.__('Digest')}>
            <code title={version.digest}>{version.digest.slice(0, 16)}</code>
          </Fact>
          {Object.entries(version.data_digests).map(([name, digest]) => (
            <Fact key={name} name={name}>
              <code title={digest}>{digest.slice(0, 16)}</code>
            </Fact>
          ))}
          <Fact name={trans.__('Imported from')}>{version.origin}</Fact>
        </dl>
        {card.data && <p className="mn-Prose">{card.data}</p>}
        {card.limits && (
          <p className="mn-Prose">
            <strong>{trans.__('Limits')}:</strong> {card.limits}
          </p>
        )}
      </section>
      <Folded title={trans.__('Takes %1 columns', signature.inputs.length)}>
        <table className="mn-Values">
          <tbody>
            {signature.inputs.map(column => (
              <tr key={column.name}>
                <th scope="row">{column.name}</th>
                <td>
                  {column.type}
                  {column.nullable && ` ${trans.__('or nothing')}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Folded>
      <Folded title={trans.__('Needs %1 packages', info.requirements.length)}>
        <pre>{info.requirements.join('\n')}</pre>
      </Folded>
    </>
  );
}

function Folded(props: { title: string; children: React.ReactNode }): JSX.Element {
  return (
    <details className="mn-Folded">
      <summary>{props.title}</summary>
      {props.children}
    </details>
  );
}

function Fact(props: { name: string; children: React.ReactNode }): JSX.Element | null {
  return props.children ? (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  ) : null;
}
