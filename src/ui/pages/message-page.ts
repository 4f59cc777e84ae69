import { type Html, html } from '../../pages/html.js';
import { renderPage } from '../../pages/page.js';

/** A page that only says something. @param body what can be done, such as links */
export function messagePage(title: string, text: string, body: Html = html``): string {
  return renderPage({
    title,
    eyebrow: 'Pipeline runs',
    totals: [],
    sections: [{ id: 'message', title: text, body }],
  });
}
