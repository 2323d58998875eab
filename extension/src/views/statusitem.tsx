/** The status bar's item: how far the run is, or how the last one ended. */

import { ReactWidget } from '@jupyterlab/apputils';
import {
  PanelProvider,
  usePanel,
  useProject,
  useSnapshot,
  type IPanel
} from '../components/context';
import { Status, statusText } from '../components/status';
import { progress } from '../model/history';

export class StatusItem extends ReactWidget {
  constructor(private readonly panel: IPanel) {
    super();
    this.addClass('mn-StatusItem');
  }

  protected override render(): JSX.Element {
    return (
      <PanelProvider panel={this.panel}>
        <Item />
      </PanelProvider>
    );
  }
}

function Item(): JSX.Element | null {
  const { commands, trans } = usePanel();
  const project = useProject();
  const pipeline = useSnapshot(project.pipeline).value;
  const live = useSnapshot(project.feed);
  const last = pipeline?.last && (live.get(pipeline.last.id)?.summary ?? pipeline.last);
  const run = project.feed.active[0]?.summary ?? last;
  if (!pipeline || !run) {
    return null;
  }
  const { done, total } = progress(run);
  const text =
    run.status === 'running'
      ? trans.__('%1: %2 of %3', pipeline.name, done, total)
      : trans.__('%1: %2', pipeline.name, statusText(run.status, trans));
  return (
    <button
      type="button"
      className="mn-StatusItem-button"
      title={trans.__('The last run of %1; click for the history', pipeline.name)}
      onClick={() => void commands.execute('mlops-nb:open-runs')}
    >
      <Status status={run.status} text={text} />
    </button>
  );
}
