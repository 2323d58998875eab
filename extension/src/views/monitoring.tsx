/** Monitoring: drift by column and window, alerts, and performance over time. */

import { html5Icon } from '@jupyterlab/ui-components';
import type { HeatMap, MonitorList, MonitorStatus, PerformanceSeries } from '../api';
import { useArg, usePanel, useProject, useTrans } from '../components/context';
import { attempt } from '../components/dialogs';
import { Frame } from '../components/frame';
import { monitorIcon } from '../components/icons';
import { useServer } from '../components/server';
import { Button, Loaded, Notice } from '../components/states';
import { TerminalButton } from '../components/terminal';
import { Search, Spacer, ToolButton } from '../components/toolbar';
import { shownColumns } from '../model/drift';
import { got } from '../request';
import { CommandIDs } from '../tokens';
import { Advice } from './advice';
import { Alerts, severityMark } from './alerts';
import { ColumnDetails } from './columndrift';
import { HeatLegend, HeatMapTable, stateText, type ICellPlace } from './heatmap';
import { Performance } from './performance';
import type { IView } from './view';

/** How many of the latest windows can be chosen; 0 for all. */
const LASTS = [0, 6, 12, 26, 52];

export const monitoringView: IView = {
  id: 'monitoring',
  icon: monitorIcon,
  component: Monitoring,
  title: trans => trans.__('Monitoring'),
  caption: trans => trans.__('Drift, alerts and performance over time'),
  listed: true
};

function Monitoring(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const monitors = useServer<MonitorList>(
    (of, signal) =>
      got(
        of.api.GET('/mlops-nb/v1/monitoring', {
          params: { query: { project: of.path } },
          signal
        })
      ),
    [],
    { on: ['alerts.changed'], runs: true }
  );
  const [asked, setAsked] = useArg<string>('model', '');
  const [baseline, setBaseline] = useArg<string>('baseline', 'pinned');
  const [last, setLast] = useArg<number>('last', 0);
  const known = monitors.value?.models ?? [];
  const status = known.find(one => one.model === asked) ?? known[0] ?? null;
  const report = async () => {
    const page = await attempt(trans, () =>
      got(
        project.api.POST('/mlops-nb/v1/monitoring/{model}/report', {
          params: { path: { model: status!.model }, query: { project: project.path } },
          body: {}
        })
      )
    );
    if (page) {
      await commands.execute(CommandIDs.openPage, {
        path: page.path,
        title: trans.__('Monitoring of %1', status!.model)
      });
    }
  };
  return (
    <Frame
      label={trans.__('Monitoring')}
      onRefresh={() => void monitors.refresh()}
      toolbar={
        status && (
          <>
            {known.length > 1 && (
              <select
                className="mn-Select"
                aria-label={trans.__('Model')}
                value={status.model}
                onChange={event => setAsked(event.target.value)}
              >
                {known.map(one => (
                  <option key={one.model} value={one.model}>
                    {one.model}
                  </option>
                ))}
              </select>
            )}
            <select
              className="mn-Select"
              aria-label={trans.__('Compared with')}
              value={baseline}
              onChange={event => setBaseline(event.target.value)}
            >
              <option value="pinned">{trans.__('against the training data')}</option>
              <option value="trailing">{trans.__('against the windows before')}</option>
            </select>
            <select
              className="mn-Select"
              aria-label={trans.__('Windows')}
              value={last}
              onChange={event => setLast(Number(event.target.value))}
            >
              {LASTS.map(count => (
                <option key={count} value={count}>
                  {count ? trans.__('the last %1 windows', count) : trans.__('all windows')}
                </option>
              ))}
            </select>
            <Spacer />
            <ToolButton
              icon={html5Icon}
              label={trans.__('Report')}
              title={trans.__('Write the model’s monitoring as HTML pages, and open them')}
              onClick={() => void report()}
              wordy
            />
          </>
        )
      }
    >
      <Loaded
        snapshot={monitors.snapshot}
        what={trans.__('Reading what was recorded…')}
        onRetry={() => void monitors.refresh()}
      >
        {() =>
          status ? (
            <Model key={status.model} status={status} baseline={baseline} last={last} />
          ) : (
            <NothingRecorded />
          )
        }
      </Loaded>
    </Frame>
  );
}

function Model(props: {
  status: MonitorStatus;
  baseline: string;
  last: number;
}): JSX.Element {
  const trans = useTrans();
  const { status, baseline, last } = props;
  const { model } = status;
  const [place, setPlace] = useArg<{ column: string; window: string } | null>(
    'place',
    null
  );
  const map = useServer<HeatMap>(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/monitoring/{model}/heatmap', {
          params: { path: { model }, query: { project: project.path, last, baseline } },
          signal
        })
      ),
    [model, last, baseline],
    { runs: true }
  );
  const performance = useServer<PerformanceSeries>(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/monitoring/{model}/performance', {
          params: { path: { model }, query: { project: project.path } },
          signal
        })
      ),
    [model],
    { runs: true }
  );
  const windows = map.value?.windows.map(one => one.window) ?? [];
  return (
    <>
      <Summary status={status} />
      <div className="mn-Split">
        <div className="mn-Scroll mn-Page">
          <Advice status={status} />
          <section aria-label={trans.__('Drift')}>
            <h3>{trans.__('Drift')}</h3>
            <Loaded
              snapshot={map.snapshot}
              what={trans.__('Reading the windows…')}
              onRetry={() => void map.refresh()}
            >
              {value => <Drift map={value} place={place} onChoose={setPlace} />}
            </Loaded>
          </section>
          <section aria-label={trans.__('Performance')}>
            <h3>{trans.__('Performance')}</h3>
            <Loaded
              snapshot={performance.snapshot}
              what={trans.__('Reading the performance…')}
              onRetry={() => void performance.refresh()}
            >
              {value => <Performance series={value} />}
            </Loaded>
          </section>
          <Alerts
            model={model}
            windows={windows}
            onColumn={(column, window) => setPlace({ column, window })}
          />
        </div>
        {place && (
          <ColumnDetails
            model={model}
            place={place}
            baseline={baseline}
            onClose={() => setPlace(null)}
          />
        )}
      </div>
    </>
  );
}

function Summary(props: { status: MonitorStatus }): JSX.Element {
  const trans = useTrans();
  const { status } = props;
  const open = status.alerts.length;
  return (
    <div className="mn-Summary" role="status">
      <strong>{status.model}</strong>
      {status.version && <span className="mn-quiet">v{status.version}</span>}
      {severityMark(
        status.severity,
        trans.__('%1: %2', status.window, stateText(status.state, trans))
      )}
      <span>{trans._n('%1 active alert', '%1 active alerts', open)}</span>
      <span className="mn-quiet">
        {trans._n('%1 window recorded', '%1 windows recorded', status.windows)}
      </span>
    </div>
  );
}

function Drift(props: {
  map: HeatMap;
  place: ICellPlace | null;
  onChoose: (place: { column: string; window: string }) => void;
}): JSX.Element {
  const trans = useTrans();
  const { map } = props;
  const [text, setText] = useArg<string>('text', '');
  const [drifted, setDrifted] = useArg<boolean>('drifted', false);
  const columns = shownColumns(map.columns, text, drifted);
  return (
    <>
      <div className="mn-Heat-head">
        <Search label={trans.__('Search columns')} value={text} onChange={setText} />
        <label className="mn-Check">
          <input
            type="checkbox"
            checked={drifted}
            onChange={event => setDrifted(event.target.checked)}
          />
          {trans.__('only those that drifted')}
        </label>
        <span className="mn-quiet" role="status">
          {trans.__('%1 of %2 columns', columns.length, map.columns.length)}
        </span>
      </div>
      {columns.length ? (
        <HeatMapTable
          map={map}
          columns={columns}
          chosen={props.place}
          onChoose={({ column, window }) => props.onChoose({ column, window })}
        />
      ) : (
        <p className="mn-quiet">
          {map.columns.length
            ? trans.__('No column matches: clear the search or the box beside it.')
            : trans.__('No column was compared in this way.')}
        </p>
      )}
      <HeatLegend />
    </>
  );
}

function NothingRecorded(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  return (
    <Notice
      title={trans.__('No window was recorded yet')}
      actions={
        <>
          <Button onClick={() => void commands.execute('mlops-nb:open-models')}>
            {trans.__('Open the models')}
          </Button>
          <TerminalButton />
        </>
      }
    >
      <p>
        {trans.__(
          'Promote a model that was saved with reference profiles, then record in a terminal what it sees in production, window by window:'
        )}
      </p>
      <pre>mlops-nb monitor run my-model june.parquet --window 2013-06</pre>
    </Notice>
  );
}
