import { html } from '../../pages/html.js';
import { renderPage } from '../../pages/page.js';

/** A page that only says something. */
export function messagePage(title: string, text: string): string {
  return renderPage({
    title,
    eyebrow: 'Pipeline runs',
    totals: [],
    sections: [{ id: 'message', title: text, body: html`` }],
  });
}
