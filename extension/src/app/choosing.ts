/** Asks for a notebook, in JupyterLab's own dialog of files. */

import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import type { Trans } from '../tokens';

/** Return the path of the notebook that was chosen; empty where none was. */
export async function chooseNotebook(
  documents: IDocumentManager,
  trans: Trans
): Promise<string> {
  const result = await FileDialog.getOpenFiles({
    manager: documents,
    title: trans.__('Convert a notebook'),
    label: trans.__('Choose the notebook that becomes a pipeline.'),
    filter: model => (['notebook', 'directory'].includes(model.type) ? {} : null)
  });
  // Where nothing is chosen the dialog returns the folder that it shows.
  const found = result.button.accept ? result.value?.[0] : undefined;
  return found?.type === 'notebook' ? found.path : '';
}
