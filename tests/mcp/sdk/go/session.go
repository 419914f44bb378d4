// A full session of the official Go SDK's client: session PRODUCT FIXTURE ARGUMENTS_FILE. A target is an address, or a
// program with its arguments, parted by spaces. Once in each revision; prints "ok ..." for each session.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var (
	known      map[string]any
	isHTTP     bool
	background = context.Background()
)

func check(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func must(holds bool, what string, words ...any) {
	if !holds {
		log.Fatal(append([]any{what + " "}, words...)...)
	}
}

func value(name string) any {
	got, has := known[name]
	must(has, "arguments.json lacks", name)
	return got
}

func plain(name string) string {
	if list, is := value(name).([]any); is {
		return fmt.Sprint(list[0])
	}
	return fmt.Sprint(value(name))
}

func connect(target, revision string, told func(float64)) *mcp.ClientSession {
	client := mcp.NewClient(&mcp.Implementation{Name: "sdk-session", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			told(request.Params.Progress)
		}})
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: target}
	if !isHTTP {
		words := strings.Split(target, " ")
		command := exec.Command(words[0], words[1:]...)
		command.Stderr = os.Stderr
		transport = &mcp.CommandTransport{Command: command}
	}
	session, err := client.Connect(background, transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	check(err, "connect")
	return session
}

// What an auditor's host does: every list, every tool, every resource, every template, every prompt.
func walk(session *mcp.ClientSession) string {
	tools, resources, prompts := 0, 0, 0
	for tool, err := range session.Tools(background, nil) {
		check(err, "tools/list")
		arguments := map[string]any{}
		schema := tool.InputSchema.(map[string]any)
		if required, has := schema["required"].([]any); has {
			for _, name := range required {
				arguments[name.(string)] = value(name.(string))
			}
		}
		// A history wants an entity on its first page alone, which `required` cannot say.
		if _, takes := schema["properties"].(map[string]any)["entity"]; takes {
			arguments["entity"] = value("entity")
		}
		result, err := session.CallTool(background, &mcp.CallToolParams{Name: tool.Name, Arguments: arguments})
		check(err, tool.Name)
		text := result.Content[0].(*mcp.TextContent).Text
		must(!result.IsError && text != "", tool.Name, text)
		must(tool.OutputSchema == nil || result.StructuredContent != nil, tool.Name, "has no structured content")
		arguments["nonsense"] = 1
		result, err = session.CallTool(background, &mcp.CallToolParams{Name: tool.Name, Arguments: arguments})
		check(err, tool.Name)
		must(result.IsError, tool.Name, "took nonsense")
		tools++
	}
	read := func(uri string) {
		result, err := session.ReadResource(background, &mcp.ReadResourceParams{URI: uri})
		check(err, uri)
		must(len(result.Contents[0].Text)+len(result.Contents[0].Blob) > 0, uri)
		resources++
	}
	for resource, err := range session.Resources(background, nil) {
		check(err, "resources/list")
		read(resource.URI)
	}
	for template, err := range session.ResourceTemplates(background, nil) {
		check(err, "resources/templates/list")
		required := regexp.MustCompile(`\{\?[\w,]*\}`).ReplaceAllString(template.URITemplate, "")
		read(regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(required,
			func(name string) string { return plain(strings.Trim(name, "{}")) }))
	}
	_, err := session.ReadResource(background, &mcp.ReadResourceParams{URI: "audit://nowhere"})
	must(err != nil, "audit://nowhere was read")
	for prompt, err := range session.Prompts(background, nil) {
		check(err, "prompts/list")
		arguments := map[string]string{}
		for _, argument := range prompt.Arguments {
			if argument.Required {
				arguments[argument.Name] = plain(argument.Name)
			}
		}
		got, err := session.GetPrompt(background, &mcp.GetPromptParams{Name: prompt.Name, Arguments: arguments})
		check(err, prompt.Name)
		must(got.Messages[0].Content.(*mcp.TextContent).Text != "", prompt.Name)
		for name := range arguments {
			completed, err := session.Complete(background, &mcp.CompleteParams{
				Ref:      &mcp.CompleteReference{Type: "ref/prompt", Name: prompt.Name},
				Argument: mcp.CompleteParamsArgument{Name: name, Value: "u"}})
			check(err, "complete")
			must(name != "actor" || len(completed.Completion.Values) > 0, "no completion of an actor")
		}
		prompts++
	}
	must(tools > 0 && resources > 0 && prompts > 0, "nothing is listed")
	return fmt.Sprintf("%d tools, %d resources, %d prompts", tools, resources, prompts)
}

// A call that tells of its progress, and one that is given up: the server must notice.
func interrupt(session *mcp.ClientSession, progress chan float64) {
	ask := func(within context.Context, name string, token any) (*mcp.CallToolResult, error) {
		params := &mcp.CallToolParams{Name: name}
		if token != nil {
			params.SetProgressToken(token)
		}
		return session.CallTool(within, params)
	}
	_, err := ask(background, "test_tool_with_progress", "p-1")
	check(err, "progress")
	told := []float64{}
	for len(told) < 3 {
		select {
		case one := <-progress:
			told = append(told, one)
		case <-time.After(5 * time.Second):
			log.Fatal("progress came to ", told)
		}
	}
	must(reflect.DeepEqual(told, []float64{0, 50, 100}), "progress", told)
	cancelled := func() int {
		result, err := ask(background, "test_cancelled_count", nil)
		check(err, "count")
		count, err := strconv.Atoi(result.Content[0].(*mcp.TextContent).Text)
		check(err, "count")
		return count
	}
	before := cancelled()
	within, cancel := context.WithCancel(background)
	go func() {
		<-progress
		cancel()
	}()
	_, err = ask(within, "test_wait_for_cancel", "p-2")
	must(err != nil, "a call that was cancelled has an answer")
	for i := 0; cancelled() == before; i++ {
		must(i < 100, "the server goes on with a call that was cancelled")
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	product, fixture := os.Args[1], os.Args[2]
	isHTTP = strings.HasPrefix(product, "http")
	text, err := os.ReadFile(os.Args[3])
	check(err, "arguments")
	check(json.Unmarshal(text, &known), "arguments")
	for _, revision := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		session := connect(product, revision, func(float64) {})
		walked := walk(session)
		spoken := session.InitializeResult().ProtocolVersion
		must(spoken == revision, revision, spoken)
		check(session.Close(), "close")
		progress := make(chan float64, 10000)
		session = connect(fixture, revision, func(one float64) { progress <- one })
		interrupt(session, progress)
		check(session.Close(), "close")
		fmt.Printf("ok go %s: %s, progress, cancel\n", spoken, walked)
	}
}
