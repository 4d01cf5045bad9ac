package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
)

func (a *app) environmentImageCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "image", Aliases: []string{"images"}, Short: "Images that environments can be made from",
		Example: "  cadre environment image list"}, a.environmentImageListCommand())
}

func (a *app) environmentImageListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List the images the server suggests; any other will do as well",
		Example: "  cadre environment image list --jq '.[].image'"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		images, err := cl.BaseImages(cmd.Context())
		if err != nil {
			return err
		}
		return a.printListFiltered(listOf(images, "The server suggests no images.", []string{"Image", "Repository", "Tag"},
			func(i api.BaseImage) []string { return []string{i.Image, i.Repository, i.Tag} }), jq)
	})
}
