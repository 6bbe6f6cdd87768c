// Loader sends recorded writes to an API server as fast as it takes them, and says how long that took. Writes of one
// object keep their order; different objects go at once. It is what bench/delivery.py measures Afflux against.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type write struct {
	Method      string          `json:"method"`
	URI         string          `json:"uri"`
	ContentType string          `json:"contentType"`
	Body        json.RawMessage `json:"body"`
}

// object is the path of the object that a write is about: its subresources belong to it.
func (w write) object() string {
	path, _, _ := strings.Cut(w.URI, "?")
	return strings.TrimSuffix(path, "/status")
}

type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Token string `json:"token"`
		} `json:"user"`
	} `json:"users"`
}

func main() {
	config := flag.String("kubeconfig", "", "a kubeconfig as JSON with a token")
	writes := flag.String("writes", "", "a file with a write a line")
	workers := flag.Int("workers", 64, "requests at once")
	flag.Parse()
	server, token, client := connect(*config)
	queues := byObject(read(*writes))
	work := make(chan []write, len(queues))
	for _, queue := range queues {
		work <- queue
	}
	close(work)
	var sent, failed atomic.Int64
	var firstFailure sync.Once
	problem := ""
	start := time.Now()
	var group sync.WaitGroup
	for range *workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for queue := range work {
				for _, one := range queue {
					sent.Add(1)
					if err := send(client, server, token, one); err != nil {
						failed.Add(1)
						firstFailure.Do(func() { problem = err.Error() })
					}
				}
			}
		}()
	}
	group.Wait()
	seconds := time.Since(start).Seconds()
	answer, _ := json.Marshal(map[string]any{
		"seconds": seconds, "sent": sent.Load(), "failed": failed.Load(), "problem": problem,
	})
	fmt.Println(string(answer))
}

func connect(path string) (string, string, *http.Client) {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	var config kubeconfig
	if err := json.Unmarshal(text, &config); err != nil {
		log.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(config.Clusters[0].Cluster.CA)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 256,
	}
	return config.Clusters[0].Cluster.Server, config.Users[0].User.Token, &http.Client{Transport: transport}
}

func read(path string) []write {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var found []write
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var one write
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			log.Fatal(err)
		}
		found = append(found, one)
	}
	return found
}

// byObject keeps the order of arrival, of objects and of the writes of each.
func byObject(writes []write) [][]write {
	place := map[string]int{}
	var queues [][]write
	for number, one := range writes {
		key := one.object()
		if one.Method == "POST" {
			key = fmt.Sprint(number)
		}
		at, known := place[key]
		if !known {
			at = len(queues)
			place[key] = at
			queues = append(queues, nil)
		}
		queues[at] = append(queues[at], one)
	}
	return queues
}

func send(client *http.Client, server, token string, one write) error {
	request, err := http.NewRequest(one.Method, server+one.URI, bytes.NewReader(one.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", one.ContentType)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %.300s", one.Method, one.URI, answer.StatusCode, body)
	}
	return nil
}
