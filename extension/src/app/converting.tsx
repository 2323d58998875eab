/** Makes a pipeline of a notebook: chosen first, then shown, then done. */

import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { Conversion, ConvertNotebook } from '../api';
import { useTrans, type IPanel } from '../components/context';
import { askForm, attempt } from '../components/dialogs';
import { pipelineIcon } from '../components/icons';
import { body, got } from '../request';
import { CommandIDs } from '../tokens';

type Documents = Pick<IDocumentManager, 'findWidget' | 'contextForWidget'>;

/** Add the command `Convert a Notebook…`; with the argument `path` it does not ask for one. */
export function addConverting(
  panel: IPanel,
  documents: Documents,
  /** Ask for a notebook; empty where none was chosen. */
  choose: () => Promise<string>
): void {
  const { trans, commands } = panel;
  commands.addCommand(CommandIDs.convert, {
    label: trans.__('Convert a Notebook…'),
    caption: trans.__('Make a pipeline of a notebook, or a task of its project'),
    icon: args => (args.isPalette ? undefined : pipelineIcon),
    execute: async args => {
      const path = typeof args.path === 'string' ? args.path : await choose();
      if (path) {
        await convert(panel, documents, path);
      }
    }
  });
}

async function convert(panel: IPanel, documents: Documents, path: string): Promise<void> {
  const { trans, model, commands } = panel;
  const open = documents.findWidget(path);
  const context = open && documents.contextForWidget(open);
  if (context?.model.dirty) {
    await context.save(); // what is shown is read from the disk
  }
  const planned = await attempt(trans, () =>
    got(model.api.GET('/mlops-nb/v1/conversion', { params: { query: { path } } }))
  );
  const sure =
    planned &&
    (await askForm<Conversion>(panel, {
      title: trans.__('Convert %1', planned.source),
      accept: trans.__('Convert'),
      initial: planned,
      draw: value => <Plan planned={value} />
    }));
  const done =
    sure &&
    (await attempt(
      trans,
      () =>
        got(
          model.api.POST('/mlops-nb/v1/conversion', {
            body: body<ConvertNotebook>({ path })
          })
        ),
      made => trans.__('%1 is a task now.', made.task)
    ));
  if (done) {
    await context?.revert(); // it has a parameters cell now
    await model.projects.refresh();
    model.select(done.project.path);
    await model.project.pipeline.refresh();
    await commands.execute('mlops-nb:open-pipeline', { task: done.task });
  }
}

/** What would be written, and that nothing else is. */
function Plan(props: { planned: Conversion }): JSX.Element {
  const trans = useTrans();
  const { planned } = props;
  const { is_new, source, task, project } = planned;
  const cell = planned.position + 1;
  return (
    <div className="mn-Plan">
      <p>
        {is_new
          ? trans.__('%1 becomes a pipeline of one task, “%2”.', source, task)
          : trans.__('%1 becomes the task “%2” of %3.', source, task, project.name)}
      </p>
      <p>
        {
          {
            kept: trans.__('Cell %1 stays its parameters cell.', cell),
            tagged: trans.__('Cell %1 becomes its parameters cell.', cell),
            made: trans.__('A parameters cell is put in as cell %1.', cell)
          }[planned.cell]
        }{' '}
        {planned.parameters.length
          ? trans.__('A run can set: %1.', planned.parameters.join(', '))
          : trans.__('Write there what a run is to set.')}
      </p>
      <Text label={trans.__('The parameters cell')} text={planned.cell_text} />
      <details open={is_new}>
        <summary>
          {is_new
            ? trans.__('%1, a new file', project.spec)
            : trans.__('%1 with the task', project.spec)}
        </summary>
        <Text label={project.spec} text={planned.spec_text} />
      </details>
      <p className="mn-quiet">
        {trans.__(
          'No other cell changes, and nothing runs yet. Further notebooks become further tasks.'
        )}
      </p>
    </div>
  );
}

/** Reached by Tab, since it may have to be scrolled. */
function Text(props: { label: string; text: string }): JSX.Element {
  return (
    <pre tabIndex={0} role="region" aria-label={props.label}>
      {props.text}
    </pre>
  );
}
